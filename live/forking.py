#!/usr/bin/env python3
"""Message Routing 2.0, Goal and IM-NG on the wire, with client state beside
them: no client speaks these yet, so this is their documentation."""
import check
from check import check as proves
from stream import CLIENT, SASL, Stream

MR2 = "urn:xmpp:mr2:0"
GOAL = "tower-xmpp:goal:0"
IM_NG = "urn:xmpp:im-ng:0"
FORWARD = "{urn:xmpp:forward:0}"
UNEXPECTED = "{urn:ietf:params:xml:ns:xmpp-stanzas}unexpected-request"


class Session(Stream):
    """A stream that asks for a mode at the time when it may."""

    def enter(self, account, resource, mode=None):
        # MR2 §3: after authentication and before binding, a nonza each way.
        self.open().features()
        assert self.plain(account).tag == f"{SASL}success"
        features = self.restart()
        if mode in (MR2, GOAL):
            name = {MR2: "mr2", GOAL: "goal"}[mode]
            assert features.find(f"{{{mode}}}{name}") is not None, "the stream does not offer it"
            self.send(f"<enable xmlns='{mode}'/>")
            assert self.read().tag == f"{{{mode}}}enabled"
        bound = self.bind(resource)
        self.jid = bound.findtext(".//{urn:ietf:params:xml:ns:xmpp-bind}jid")
        self.log.name = self.jid
        if mode == IM_NG:
            self.ask(f"<enable xmlns='{IM_NG}'/>")
        # A negative priority: RFC 6121 alone would give it nothing.
        priority = 5 if mode is None else -1
        self.send(f"<presence id='hello'><priority>{priority}</priority></presence>")
        self.with_id("hello")
        return self

    def ask(self, payload):
        """XEP-0409 §3: an IQ set to the own account."""
        self.send(f"<iq type='set' id='ask'>{payload}</iq>")
        assert self.with_id("ask").get("type") == "result"

    def say(self, to, body, kind="chat"):
        self.send(f"<message to='{to}' type='{kind}' id='{body}'><body>{body}</body></message>")

    def gets(self, body, mode=None, direction=None):
        """The message itself, or a copy of it in the mode's wrapper."""
        wrapper = f"{{{mode}}}{direction}/{FORWARD}forwarded/{CLIENT}message"
        found = self.until(lambda stanza: stanza.tag == f"{CLIENT}message" and body in (
            stanza.findtext(f"{CLIENT}body"),
            stanza.findtext(f"*/{FORWARD}forwarded/{CLIENT}message/{CLIENT}body")))
        inner = found if direction is None else found.find(wrapper)
        assert inner is not None and inner.findtext(f"{CLIENT}body") == body, f"{body} came otherwise"
        if direction is not None:
            account = self.jid.split("/")[0]
            assert (found.get("from"), found.get("to")) == (account, self.jid), "from whom is it?"
        return inner


def parties(opts, mode):
    phone = Session(opts).enter(opts.alice, "phone")
    desk = Session(opts).enter(opts.alice, "desk", mode)
    bob = Session(opts).enter(opts.bob, "laptop")
    return phone, desk, bob


def conversation(opts, mode, to_session, sent, headline):
    """Each list says in which order it comes; what is not named does not."""
    phone, desk, bob = parties(opts, mode)
    account = f"{opts.alice[0]}@{opts.domain}"
    with phone, desk, bob:
        bob.say(account, "to the account")
        phone.gets("to the account")
        desk.gets("to the account")
        bob.say(phone.jid, "to one session")
        phone.gets("to one session")
        desk.gets("to one session", *to_session)
        phone.say(bob.jid, "sent")
        bob.gets("sent")
        desk.gets("sent", *sent)
        bob.say(account, "headline", "headline")
        phone.gets("headline")
        bob.say(account, "last")
        following = "headline" if headline else "last"
        arrived = desk.until(lambda stanza: stanza.tag == f"{CLIENT}message")
        assert arrived.findtext(f"{CLIENT}body") == following, following


@proves("MR2: what is for the account comes as it is, the rest wrapped")
def message_routing(opts):
    conversation(opts, MR2, (MR2, "received"), (MR2, "sent"), headline=True)


@proves("Goal: the same without headlines")
def goal(opts):
    conversation(opts, GOAL, (GOAL, "received"), (GOAL, "sent"), headline=False)


@proves("IM-NG: everything comes as it is")
def next_generation(opts):
    conversation(opts, IM_NG, (), (), headline=True)


@proves("IM-NG: what a session sends comes back to it, unless it is marked")
def reflected(opts):
    with Session(opts).enter(opts.alice, "desk", IM_NG) as desk, \
            Session(opts).enter(opts.bob, "laptop") as bob:
        marker = f"<im-ng xmlns='{IM_NG}'/>"
        desk.send(f"<message to='{bob.jid}' type='chat'><body>marked</body>{marker}</message>")
        desk.say(bob.jid, "plain")
        bob.gets("marked")
        bob.gets("plain")
        first = desk.until(lambda stanza: stanza.tag == f"{CLIENT}message")
        assert first.findtext(f"{CLIENT}body") == "plain", "the marked one came back"
        assert (first.get("from"), first.get("to")) == (desk.jid, bob.jid)


@proves("a mode that is asked for too late is refused, and the stream goes on")
def out_of_order(opts):
    with Session(opts).enter(opts.alice, "late") as stream:
        for mode in (MR2, GOAL):
            stream.send(f"<enable xmlns='{mode}'/>")
            refused = stream.until(lambda element: element.tag == f"{{{mode}}}failed")
            assert refused.find(UNEXPECTED) is not None
        stream.alive()


@proves("a client that is not looked at gets chat states when a message comes, and is told since when")
def client_state(opts):
    with Session(opts).enter(opts.alice, "phone") as phone, \
            Session(opts).enter(opts.bob, "laptop") as bob:
        phone.send("<inactive xmlns='urn:xmpp:csi:0'/>")
        phone.alive()
        composing = "<composing xmlns='http://jabber.org/protocol/chatstates'/>"
        bob.send(f"<message to='{phone.jid}' type='chat' id='typing'>{composing}</message>")
        # Bob's ping is answered when what he sent before has been delivered.
        bob.alive()
        bob.say(phone.jid, "hi")
        typing = phone.until(lambda stanza: stanza.tag == f"{CLIENT}message")
        assert typing.get("id") == "typing", "the message overtook what came before it"
        assert typing.find("{urn:xmpp:delay}delay").get("from") == opts.domain
        phone.gets("hi")


if __name__ == "__main__":
    check.run("forking", check.options(__doc__))
