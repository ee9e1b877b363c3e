#!/usr/bin/env python3
"""An account of ours in rooms of a peer: slixmpp sees one occupant, and two clients in it."""
import secrets

from slixmpp import JID
from slixmpp.exceptions import PresenceError

import check
import pair
from check import check as proves
from client import WAIT, Client, answer, element, stanza_ids
from occupant import USER, codes, configure, join, muc, said, self_ping

TICKS = 20  # seconds for what the layer does by itself, at its next tick


async def log_in(opts):
    w = await pair.start(opts)
    w.room = new_room(opts)
    w.carol = await pair.carol(opts)
    await clients_log_in(w)
    w.alice = w.phone.boundjid.bare
    await pair.linked(w.phone, w.carol)
    await join(w.carol, w.room, "carol")
    # ejabberd's rooms are moderated: whom it takes an affiliation from is a visitor then.
    await configure(w.carol, w.room, persistentroom=1, whois="anyone", moderatedroom=0)
    return w


def new_room(opts):
    return JID(f"live-{secrets.token_hex(4)}@{opts.there.rooms}")


async def clients_log_in(w):
    w.phone = await Client(w.opts, w.opts.alice, "phone").login()
    w.desk = await Client(w.opts, w.opts.alice, "desk").login()
    for client in (w.phone, w.desk):
        client.register_plugin("xep_0092", {"software_name": client.boundjid.full})


def forget(w):
    for client in (w.phone, w.desk, w.carol):
        client.inbox.clear()


async def both_join(w, room=None, **more):
    """Both clients are in; carol has seen one of ours come, if any."""
    for client in (w.phone, w.desk):
        await join(client, room or w.room, "alice", **more)
    await talk(w, room)
    forget(w)


async def talk(w, room=None, nick="alice", carols="carol"):
    """Whoever of the three speaks, each of them hears it, once."""
    room = room or w.room
    for speaker, name in ((w.carol, carols), (w.phone, nick), (w.desk, nick)):
        body = speaker.say(room, kind="groupchat")
        heard = [await said(client, room, name, body) for client in (w.carol, w.phone, w.desk)]
        assert len({str(stanza_ids(message, room)) for message in heard}) == 1, heard
    # Everything before has arrived by now.
    for client in (w.phone, w.desk, w.carol):
        assert not client.heard_of(body), client.heard_of(body)


def occupants(client, room):
    """Presence of occupants that has not been looked at."""
    return [str(s) for s in client.inbox
            if s.name == "presence" and s["from"].bare == room and s["from"].resource]


async def unseen(w, speaker, room=None):
    """Proves that the room has heard of nobody's coming and going: carol has not."""
    body = speaker.say(room or w.room, kind="groupchat")
    await said(w.carol, room or w.room, "alice", body)
    assert not occupants(w.carol, room or w.room), occupants(w.carol, room or w.room)


async def gone(w, clients, nick, *expected):
    """Each is told that this occupant is gone, with these codes."""
    for client in clients:
        told = await client.presence(f"{w.room}/{nick}", "unavailable")
        assert set(expected) <= codes(told), told


async def refused(client, room, nick="alice", password=None):
    """The condition with which a join is refused."""
    try:
        await muc(client).join_muc_wait(room, nick, password=password, timeout=WAIT)
    except PresenceError as error:
        return error.condition
    raise AssertionError("the room let somebody in")


async def talks_without(w, client, room=None):
    """What this client says in the room is refused: it is out."""
    client.say(room or w.room, kind="groupchat")
    error = await client.receive("refusal", lambda s: s.name == "message" and s["type"] == "error")
    assert error["error"]["condition"] == "not-acceptable", error


@proves("the first client joins the account: the room sees the bare JID")
async def first(w):
    result = await join(w.phone, w.room, "alice")
    assert 110 in codes(result.own) and result.own["to"] == w.phone.boundjid
    assert [p["from"].resource for p in result.occupants] in (["carol"], ["carol", "alice"])
    seen = await w.carol.presence(f"{w.room}/alice")
    assert seen.xml.find(f"{USER}x/{USER}item").get("jid") == w.alice, seen


@proves("the second client is served here: all occupants, itself, subject; the room hears nothing")
async def second(w):
    result = await join(w.desk, w.room, "alice")
    assert 110 in codes(result.own)
    assert "carol" in [p["from"].resource for p in result.occupants]
    await unseen(w, w.phone)


@proves("what is said reaches both clients and the room, once, whoever says it")
async def messages(w):
    forget(w)
    await talk(w)


@proves("a client with another nick is told the account's with 210, and renames nobody")
async def other_nick(w):
    tablet = await Client(w.opts, w.opts.alice, "tablet").login()
    result = await join(tablet, w.room, "ally")
    assert result.own["from"] == f"{w.room}/alice" and {110, 210} <= codes(result.own), result.own
    await unseen(w, w.desk)
    await tablet.logout()
    await unseen(w, w.phone)


@proves("who joins later gets the history of the room here, then the subject")
async def history(w):
    muc(w.carol).set_subject(w.room, "tea at five")
    for client in (w.phone, w.desk, w.carol):
        await client.receive(
            "subject", lambda s: s.name == "message" and s["subject"] == "tea at five")
    bodies = [w.carol.say(w.room, kind="groupchat") for _ in range(3)]
    for body in bodies:
        await said(w.phone, w.room, "carol", body)
    tablet = await Client(w.opts, w.opts.alice, "tablet").login()
    result = await join(tablet, w.room, "alice", maxstanzas=3)
    assert [m["body"] for m in result.history] == bodies, result.history
    assert all(m.get_plugin("delay", check=True) for m in result.history)
    assert result.subject["subject"] == "tea at five", result.subject
    await tablet.logout()


@proves("a private message reaches both clients once; one that is sent is copied to the other")
async def private_messages(w):
    body = w.carol.say(f"{w.room}/alice")
    for client in (w.phone, w.desk):
        await said(client, w.room, "carol", body, kind="chat")
    answered = w.phone.say(f"{w.room}/carol")
    await said(w.carol, w.room, "alice", answered, kind="chat")
    await w.desk.carbon("sent", answered)
    await talk(w)
    for client in (w.phone, w.desk):
        assert not client.heard_of(body), client.heard_of(body)


@proves("a private message to nobody, or a forbidden subject, comes back to its sender alone")
async def errors(w):
    number = w.phone.say(f"{w.room}/nobody", id="to-nobody") and "to-nobody"
    error = await w.phone.receive(
        "error", lambda s: s.name == "message" and s["type"] == "error" and s["id"] == number)
    assert error["error"]["condition"] == "item-not-found", error
    await talk(w)
    assert not [s for s in w.desk.inbox if s["type"] == "error"], w.desk.inbox


@proves("questions cross the room: a client's come back to it, an occupant's the account answers")
async def questions(w):
    for client in (w.phone, w.desk):
        assert await pair.pings(client, f"{w.room}/carol") == "result"
        assert await self_ping(client, w.room, "alice") == "result"
    assert await pair.pings(w.carol, f"{w.room}/alice") == "result"
    iq = w.carol.make_iq_get(ito=f"{w.room}/alice")
    iq.xml.append(element("<query xmlns='jabber:iq:version'/>"))
    assert await answer(iq) != "result", "no client may answer for the account"
    tablet = await Client(w.opts, w.opts.alice, "tablet").login()
    assert await self_ping(tablet, w.room, "alice") == "not-acceptable"
    await tablet.logout()


@proves("a nick change by one client is the account's, for both and for the room")
async def nick_change(w):
    forget(w)
    w.desk.send_presence(pto=f"{w.room}/ally")
    for client in (w.phone, w.desk, w.carol):
        left = await client.presence(f"{w.room}/alice", "unavailable")
        assert 303 in codes(left), left
        own = await client.presence(f"{w.room}/ally")
        assert (110 in codes(own)) == (client is not w.carol), own
    await talk(w, nick="ally")
    w.phone.send_presence(pto=f"{w.room}/alice")
    for client in (w.phone, w.desk, w.carol):
        await client.presence(f"{w.room}/alice")
    await talk(w)


@proves("a nick that is taken is refused to who asked, and the old one stays")
async def nick_conflict(w):
    forget(w)
    w.phone.send_presence(pto=f"{w.room}/carol")
    error = await w.phone.presence(f"{w.room}/carol", "error")
    assert error["error"]["condition"] == "conflict", error
    await talk(w)
    assert not occupants(w.desk, w.room), occupants(w.desk, w.room)


@proves("another occupant's nick change reaches both")
async def their_nick_change(w):
    for old, new in (("carol", "caroline"), ("caroline", "carol")):
        w.carol.send_presence(pto=f"{w.room}/{new}")
        for client in (w.phone, w.desk, w.carol):
            assert 303 in codes(await client.presence(f"{w.room}/{old}", "unavailable"))
            await client.presence(f"{w.room}/{new}")
        await talk(w, carols=new)


@proves("the room sees the account's presence change, and not each client's")
async def shown(w):
    forget(w)
    w.phone.send_presence(pto=f"{w.room}/alice", pshow="dnd", ppriority=5)
    await w.carol.receive("dnd", lambda s: (
        s.name == "presence" and s["from"] == f"{w.room}/alice" and s["type"] == "dnd"))
    for show in ("away", None):
        w.desk.send_presence(pto=f"{w.room}/alice", pshow=show)
    await unseen(w, w.desk)
    w.phone.send_presence(pto=f"{w.room}/alice")
    await w.carol.receive("change", lambda s: (
        s.name == "presence" and s["from"] == f"{w.room}/alice" and s["type"] != "dnd"))


@proves("one client leaves or loses its connection: the room notices nothing, the other goes on")
async def one_leaves(w):
    forget(w)
    muc(w.phone).leave_muc(w.room, "alice")
    assert 110 in codes(await w.phone.presence(f"{w.room}/alice", "unavailable"))
    await unseen(w, w.desk)
    await talks_without(w, w.phone)
    await join(w.phone, w.room, "alice")
    lost = await Client(w.opts, w.opts.alice, "train").login()
    await join(lost, w.room, "alice")
    lost.drop()
    await unseen(w, w.phone)


@proves("all clients are gone: the seat stays, and who comes back finds what was said")
async def all_offline(w):
    forget(w)
    for client in (w.phone, w.desk):
        await client.logout()
    # The room sees at most that nobody is looking.
    body = w.carol.say(w.room, kind="groupchat")
    await said(w.carol, w.room, "carol", body)
    await clients_log_in(w)
    for client in (w.phone, w.desk):
        result = await join(client, w.room, "alice", maxstanzas=5)
        assert body in [m["body"] for m in result.history], result.history
    await talk(w)
    left = [s for s in w.carol.inbox if s.name == "presence" and s["type"] == "unavailable"]
    assert not left, left


@proves("the account leaves with its last client that leaves, and can come back")
async def leaves_for_good(w):
    forget(w)
    for client in (w.phone, w.desk):
        muc(client).leave_muc(w.room, "alice")
        assert 110 in codes(await client.presence(f"{w.room}/alice", "unavailable"))
    await w.carol.presence(f"{w.room}/alice", "unavailable")
    body = w.carol.say(w.room, kind="groupchat")
    await said(w.carol, w.room, "carol", body)
    await talks_without(w, w.phone)
    await both_join(w)


@proves("a kick is told to both, and the account is out until a client joins again")
async def kick(w):
    await muc(w.carol).set_role(w.room, "alice", "none", reason="enough", timeout=WAIT)
    await gone(w, (w.phone, w.desk), "alice", 110, 307)
    await gone(w, (w.carol,), "alice", 307)
    for client in (w.phone, w.desk):
        await talks_without(w, client)
        assert await self_ping(client, w.room, "alice") == "not-acceptable"
    await both_join(w)


@proves("a ban is told to both, and keeps out until it is lifted")
async def ban(w):
    await muc(w.carol).set_affiliation(w.room, "outcast", jid=w.alice, timeout=WAIT)
    await gone(w, (w.phone, w.desk), "alice", 301)
    for client in (w.phone, w.desk):
        assert await refused(client, w.room) == "forbidden"
    await muc(w.carol).set_affiliation(w.room, "none", jid=w.alice, timeout=WAIT)
    await both_join(w)


@proves("a room with a password: without it refused, with it joined; the second client is let in")
async def password(w):
    room = new_room(w.opts)
    await join(w.carol, room, "carol")
    await configure(w.carol, room, passwordprotectedroom=1, roomsecret="cauldron")
    assert await refused(w.phone, room) == "not-authorized"
    assert await refused(w.desk, room, password="wrong") == "not-authorized"
    await both_join(w, room, password="cauldron")
    for client in (w.phone, w.desk):
        muc(client).leave_muc(room, "alice")
    await w.carol.presence(f"{room}/alice", "unavailable")


@proves("a room for members: others are refused, a member joins, and is told when it is none")
async def members_only(w):
    await configure(w.carol, w.room, membersonly=1)
    await gone(w, (w.phone, w.desk), "alice")
    assert await refused(w.phone, w.room) == "registration-required"
    await muc(w.carol).set_affiliation(w.room, "member", jid=w.alice, timeout=WAIT)
    await both_join(w)
    await muc(w.carol).set_affiliation(w.room, "none", jid=w.alice, timeout=WAIT)
    await gone(w, (w.phone, w.desk), "alice", 321)
    assert await refused(w.desk, w.room) == "registration-required"
    await configure(w.carol, w.room, membersonly=0)
    await both_join(w)


async def told(client, room, what):
    """The own account is told to join or to part (MUC2-PAM); it says when it has."""
    iq = client.make_iq_set(ito=client.boundjid.bare)
    iq.xml.append(element(what.format(f"xmlns='urn:xmpp:muc:0' room='{room}'")))
    assert await answer(iq) == "result", what


@proves("MUC2-PAM: the account joins when it is told to, and parts when it is told to")
async def pam(w):
    room = new_room(w.opts)
    await join(w.carol, room, "carol")
    await configure(w.carol, room)
    await told(w.phone, room, "<join {}><nickname>alice</nickname></join>")
    await w.carol.presence(f"{room}/alice")
    body = w.carol.say(room, kind="groupchat")
    await said(w.phone, room, "carol", body)
    await told(w.desk, room, "<part {}/>")
    await w.carol.presence(f"{room}/alice", "unavailable")
    await w.phone.presence(f"{room}/alice", "unavailable")


async def bookmark(client, room, autojoin):
    """Publishes a bookmark (XEP-0402)."""
    iq = client.make_iq_set()
    iq.xml.append(element(
        "<pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='urn:xmpp:bookmarks:1'>"
        f"<item id='{room}'><conference xmlns='urn:xmpp:bookmarks:1' autojoin='{autojoin}'>"
        "<nick>alice</nick></conference></item></publish></pubsub>"))
    assert await answer(iq) == "result"


@proves("a bookmark with autojoin takes the account in and keeps it there; without, it leaves",
        limit=60)
async def bookmarks(w):
    room = new_room(w.opts)
    await join(w.carol, room, "carol")
    await configure(w.carol, room)
    await bookmark(w.phone, room, "true")
    await w.carol.presence(f"{room}/alice", wait=TICKS)
    for client in (w.phone, w.desk):
        await join(client, room, "alice")
        muc(client).leave_muc(room, "alice")
        await client.presence(f"{room}/alice", "unavailable")
    # It is there all the same.
    assert await pair.pings(w.carol, f"{room}/alice") == "result"
    await bookmark(w.desk, room, "false")
    await w.carol.presence(f"{room}/alice", "unavailable", wait=TICKS)


@proves("our server is killed and comes back: the seat is taken again, clients are served", limit=90)
async def our_restart(w):
    body = w.carol.say(w.room, kind="groupchat")
    await said(w.desk, w.room, "carol", body)
    w.ours.kill()
    await w.ours.start()
    await clients_log_in(w)
    await pair.linked(w.phone, w.carol)
    for client in (w.phone, w.desk):
        result = await join(client, w.room, "alice")
        assert "carol" in [p["from"].resource for p in result.occupants], result.occupants
        assert body in [m["body"] for m in result.history], result.history
    await talk(w)


@proves("what is said while our server is dead: whether or not the room expels us, we hear of it",
        limit=90)
async def spoken_to_the_dead(w):
    w.ours.kill()
    body = w.carol.say(w.room, kind="groupchat")
    await said(w.carol, w.room, "carol", body)
    await w.ours.start()

    async def is_there():
        return await pair.pings(w.carol, f"{w.room}/alice") == "result"
    await pair.until("the account is in the room again, without any client", is_there)
    await clients_log_in(w)
    for client in (w.phone, w.desk):
        result = await join(client, w.room, "alice", maxstanzas=5)
        assert body in [m["body"] for m in result.history], result.history
    await talk(w)


async def peer_comes_back(w, end):
    """The peer ends; once it is back, and carol with it, so is the account, by itself."""
    fleeting = new_room(w.opts)
    await join(w.carol, fleeting, "carol")
    await configure(w.carol, fleeting)
    await both_join(w, fleeting)
    await both_join(w)
    await end()
    await w.peer.start()
    w.carol = await pair.carol(w.opts)
    await pair.linked(w.phone, w.carol)
    for room in (w.room, fleeting):
        async def is_there():
            if await pair.pings(w.carol, f"{room}/carol") != "result":
                muc(w.carol).join_muc(room, "carol")
            return await pair.pings(w.carol, f"{room}/alice") == "result"
        await pair.until(f"alice is in {room} again", is_there)
        await talk(w, room)
    forget(w)


@proves("the room's server is killed and comes back: the clients need do nothing, nor for a room "
        "that was forgotten", limit=120)
async def killed(w):
    async def kill():
        w.peer.kill()
    await peer_comes_back(w, kill)


@proves("the room's server is shut down and comes back: the same", limit=120)
async def shut_down(w):
    await peer_comes_back(w, w.peer.stop)


@proves("the room is destroyed: both are told, and the account does not try again")
async def destroy(w):
    await muc(w.carol).destroy(w.room, reason="all said", timeout=WAIT)
    for client in (w.phone, w.desk):
        told = await client.presence(f"{w.room}/alice", "unavailable")
        assert told.xml.find(f"{USER}x/{USER}destroy") is not None, told
    for client in (w.phone, w.desk):
        assert await self_ping(client, w.room, "alice") == "not-acceptable"


if __name__ == "__main__":
    opts = pair.options(__doc__)
    check.run(opts.name, opts, log_in, pair.log_out)
