"""A slixmpp client that remembers what it received, in order."""
import asyncio
import itertools
import logging

import slixmpp
from slixmpp.xmlstream import ET
from slixmpp.xmlstream.handler import Callback
from slixmpp.xmlstream.matcher import MatchXPath

from check import Log

CARBONS = "{urn:xmpp:carbons:2}"
FORWARD = "{urn:xmpp:forward:0}"
CLIENT = "{jabber:client}"
STANZA_ID = "{urn:xmpp:sid:0}stanza-id"
WAIT = 8  # seconds for anything that must arrive

logging.getLogger("slixmpp").setLevel(logging.CRITICAL)
# slixmpp leaves tasks behind when its connection is lost; asyncio would name each.
logging.getLogger("asyncio").setLevel(logging.CRITICAL)
numbers = itertools.count(1)


class Client(slixmpp.ClientXMPP):
    """One session; `inbox` holds the messages and presences not yet looked at."""

    def __init__(self, opts, account, resource, mechanism="SCRAM-SHA-1"):
        name, password = account
        super().__init__(
            f"{name}@{opts.domain}/{resource}", password, sasl_mech=mechanism,
            plugin_config={"feature_mechanisms": {
                "unencrypted_plain": True, "unencrypted_scram": True}})
        self.enable_direct_tls = self.enable_starttls = False
        self.enable_plaintext = True
        self.address = (opts.host, opts.port)
        self.log = Log(f"{name}/{resource}")
        self.inbox = []
        self.accepted = set()
        self.arrived = asyncio.Event()
        for plugin in ("xep_0030", "xep_0045", "xep_0199", "xep_0203", "xep_0280",
                       "xep_0359", "xep_0410"):
            self.register_plugin(plugin)
        for kind in ("message", "presence"):
            self.register_handler(Callback(
                f"every {kind}", MatchXPath(f"{CLIENT}{kind}"), self.keep))
        self.add_event_handler("carbon_received", self.accept)
        self.add_event_handler("carbon_sent", self.accept)
        self.add_filter("in", lambda stanza: self.see("<", stanza))
        self.add_filter("out", lambda stanza: self.see(">", stanza))

    def see(self, direction, stanza):
        self.log.note(direction, str(stanza))
        return stanza

    def keep(self, stanza):
        self.inbox.append(stanza)
        self.arrived.set()

    def accept(self, stanza):
        """slixmpp took it for a carbon: it comes from our own account."""
        self.accepted.add(stanza["id"] or str(stanza))
        self.arrived.set()

    async def login(self, carbons=True, priority=0):
        started, failed = asyncio.Event(), asyncio.Event()
        self.add_event_handler("session_start", lambda _: started.set())
        self.add_event_handler("failed_all_auth", lambda _: failed.set())
        self.connect(*self.address)
        waits = [asyncio.ensure_future(event.wait()) for event in (started, failed)]
        await asyncio.wait(waits, timeout=WAIT, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        if failed.is_set():
            raise PermissionError("the server refused the password")
        assert started.is_set(), "no session within the time limit"
        if carbons:
            await self.plugin["xep_0280"].enable(timeout=WAIT)
        self.send_presence(ppriority=priority)
        # Our presence comes back to us: from here on we are available.
        await self.presence(self.boundjid.full)
        return self

    async def logout(self):
        if self.transport is not None:
            await self.disconnect(wait=2)

    def drop(self):
        """The connection is lost, without a word."""
        self.abort()

    def say(self, to, body=None, kind="chat", children=(), **attributes):
        """Sends a message, with further children as XML text; returns its body."""
        body = body or f"text {next(numbers)}"
        message = self.make_message(mto=to, mbody=body, mtype=kind)
        message["id"] = f"m{next(numbers)}"
        for name, value in attributes.items():
            message[name] = value
        for child in children:
            message.xml.append(element(child))
        message.send()
        return body

    async def receive(self, what, condition, wait=WAIT):
        """The first stanza kept that meets the condition; it is taken out."""
        loop = asyncio.get_running_loop()
        end = loop.time() + wait
        while True:
            self.arrived.clear()
            for stanza in self.inbox:
                found = condition(stanza)
                if found is not None and found is not False:
                    self.inbox.remove(stanza)
                    return stanza if found is True else found
            try:
                await asyncio.wait_for(self.arrived.wait(), end - loop.time())
            except asyncio.TimeoutError:
                raise AssertionError(f"{self.log.name} got no {what}") from None

    async def original(self, body):
        """The message itself, unwrapped."""
        return await self.receive(f"message {body!r}", lambda stanza: is_message(stanza, body))

    async def carbon(self, direction, body):
        """The message inside a carbon that slixmpp accepted, as an element."""
        return await self.receive(
            f"{direction} carbon of {body!r}", lambda stanza: self.inner(stanza, direction, body))

    async def presence(self, sender, kind=None, wait=WAIT):
        """A presence from `sender`: available, or of the type given."""
        return await self.receive(
            f"presence {kind or 'available'} from {sender}",
            lambda stanza: stanza.name == "presence" and stanza["from"] == sender
            and stanza.xml.get("type") == kind, wait)

    def inner(self, stanza, direction, body):
        if stanza.name != "message" or (stanza["id"] or str(stanza)) not in self.accepted:
            return None
        inner = stanza.xml.find(f"{CARBONS}{direction}/{FORWARD}forwarded/{CLIENT}message")
        return inner if inner is not None and inner.findtext(f"{CLIENT}body") == body else None

    def heard_of(self, body):
        """Everything kept that holds this text anywhere."""
        return [str(stanza) for stanza in self.inbox if body in str(stanza)]

    async def silent_about(self, body, sender):
        """Proves absence: a later message of `sender` has arrived, this has not.

        The server keeps the order of one sender towards one session, copies
        included, and a headline to a full address is never copied.
        """
        fence = sender.say(self.boundjid.full, kind="headline")
        await self.original(fence)
        heard = self.heard_of(body)
        assert not heard, f"{self.log.name} must not have heard of it: {heard}"


async def befriend(asker, *sessions):
    """`asker` and the account of these sessions subscribe to each other; all see it."""
    for client in (asker, *sessions):
        client.auto_authorize, client.auto_subscribe = True, True
    asker.send_presence_subscription(pto=sessions[0].boundjid.bare)
    for session in sessions:
        await asker.presence(session.boundjid.full)
        await session.presence(asker.boundjid.full)


def element(text):
    return ET.fromstring(text)


def is_message(stanza, body):
    return stanza.name == "message" and stanza.xml.findtext(f"{CLIENT}body") == body


def stanza_ids(message, by):
    """The ids of the direct children `<stanza-id by=…/>`."""
    xml = getattr(message, "xml", message)
    return [child.get("id") for child in xml.findall(STANZA_ID) if child.get("by") == str(by)]


def only_stanza_id(message, by):
    ids = stanza_ids(message, by)
    assert len(ids) == 1 and ids[0], f"one stanza-id by {by} was expected, found {ids}"
    return ids[0]


async def answer(iq, wait=WAIT):
    """The condition of the error that answers an IQ, or `result`."""
    try:
        await iq.send(timeout=wait)
    except slixmpp.exceptions.IqError as error:
        return error.iq["error"]["condition"]
    except slixmpp.exceptions.IqTimeout:
        raise AssertionError(f"not answered: {iq}") from None
    return "result"
