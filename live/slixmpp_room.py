#!/usr/bin/env python3
"""A room is created, joined, used and left: slixmpp judges the chat service."""
import secrets
from types import SimpleNamespace

from slixmpp import JID
from slixmpp.exceptions import IqError, PresenceError

import check
from check import check as proves
from client import WAIT, Client, answer, element, only_stanza_id, stanza_ids
from occupant import USER, codes, configure, join, muc, refusal, said, self_ping

async def log_in(opts):
    parties = SimpleNamespace(
        opts=opts,
        room=JID(f"live-{secrets.token_hex(4)}@{opts.rooms}"),
        alice=Client(opts, opts.alice, "phone"),
        desk=Client(opts, opts.alice, "desk"),
        bob=Client(opts, opts.bob, "laptop"))
    for client in (parties.alice, parties.desk, parties.bob):
        await client.login()
    return parties


async def log_out(parties):
    for client in (parties.alice, parties.desk, parties.bob):
        await client.logout()


@proves("the domain lists the chat service, which says what it is")
async def service(w):
    disco = w.alice.plugin["xep_0030"]
    items = await disco.get_items(w.opts.domain, timeout=WAIT)
    assert w.opts.rooms in {str(item[0]) for item in items["disco_items"]["items"]}, items
    info = await disco.get_info(w.opts.rooms, timeout=WAIT)
    assert "http://jabber.org/protocol/muc" in info["disco_info"]["features"], info
    assert any(i[0] == "conference" for i in info["disco_info"]["identities"]), info


@proves("a room is created by joining it: 110 and 201, owner, then the subject")
async def create(w):
    result = await join(w.alice, w.room, "alice")
    assert {110, 201} <= codes(result.own), result.own
    item = result.own.xml.find(f"{USER}x/{USER}item")
    assert item.get("affiliation") == "owner" and item.get("role") == "moderator"
    await configure(w.alice, w.room)


@proves("bob joins: both see each other, bob last himself with 110")
async def bob_joins(w):
    result = await join(w.bob, w.room, "bob")
    assert 110 in codes(result.own)
    assert [p["from"].resource for p in result.occupants if p["from"].resource != "bob"] == ["alice"]
    seen = await w.alice.presence(f"{w.room}/bob")
    assert 110 not in codes(seen)


@proves("the service lists the room, and the room says that it is one")
async def room_discovery(w):
    disco = w.bob.plugin["xep_0030"]
    items = await disco.get_items(w.opts.rooms, timeout=WAIT)
    assert str(w.room) in {str(item[0]) for item in items["disco_items"]["items"]}, items
    info = await disco.get_info(w.room, timeout=WAIT)
    assert "http://jabber.org/protocol/muc" in info["disco_info"]["features"], info


@proves("a message reaches all, its sender too, under its own id and one stanza-id")
async def message(w):
    body = w.bob.say(w.room, kind="groupchat")
    mine = await said(w.bob, w.room, "bob", body)
    hers = await said(w.alice, w.room, "bob", body)
    assert mine["id"] == hers["id"] != ""
    assert only_stanza_id(mine, w.room) == only_stanza_id(hers, w.room)
    await w.desk.silent_about(body, sender=w.alice)


@proves("a stanza-id forged in the room's name is gone, that of another is kept")
async def forged(w):
    other = f"elsewhere@{w.opts.rooms}"
    ids = [f"<stanza-id xmlns='urn:xmpp:sid:0' by='{by}' id='forged'/>" for by in (w.room, other)]
    body = w.bob.say(w.room, kind="groupchat", children=ids)
    for client in (w.alice, w.bob):
        heard = await said(client, w.room, "bob", body)
        assert only_stanza_id(heard, w.room) != "forged"
        assert stanza_ids(heard, other) == ["forged"]


@proves("a private message reaches that one occupant, from the room's address")
async def private_message(w):
    body = w.alice.say(f"{w.room}/bob")
    heard = await said(w.bob, w.room, "alice", body, kind="chat")
    assert heard["to"] == w.bob.boundjid.full
    answered = w.bob.say(f"{w.room}/alice")
    await said(w.alice, w.room, "bob", answered, kind="chat")
    await w.desk.silent_about(answered, sender=w.bob)


@proves("a sent private message is not copied to a client outside the room", needs="pm-copy-rule")
async def private_message_copy(w):
    body = w.alice.say(f"{w.room}/bob")
    await said(w.bob, w.room, "alice", body, kind="chat")
    await w.desk.silent_about(body, sender=w.alice)


@proves("a private message to a nick that nobody has is refused")
async def private_to_nobody(w):
    await refusal(w.alice, w.room, (f"{w.room}/nobody", "chat"), "item-not-found")


@proves("a groupchat message to one occupant is refused")
async def groupchat_to_occupant(w):
    await refusal(w.alice, w.room, (f"{w.room}/bob", "groupchat"), "bad-request")


@proves("the subject changes for all, and only a moderator may change it")
async def subject(w):
    muc(w.alice).set_subject(w.room, "tea at five")
    for client in (w.alice, w.bob):
        heard = await client.receive(
            "new subject", lambda s: s.name == "message" and s["subject"] == "tea at five")
        assert heard["from"] == f"{w.room}/alice"
    muc(w.bob).set_subject(w.room, "coffee at six")
    error = await w.bob.receive(
        "refusal", lambda s: s.name == "message" and s["type"] == "error")
    assert error["error"]["condition"] == "forbidden", error


@proves("a nick change is told to all as 303 and a new presence")
async def nick_change(w):
    await muc(w.bob).set_self_nick(w.room, "bobby", timeout=WAIT)
    left = await w.alice.presence(f"{w.room}/bob", "unavailable")
    assert 303 in codes(left) and left.xml.find(f"{USER}x/{USER}item").get("nick") == "bobby"
    assert 303 not in codes(await w.alice.presence(f"{w.room}/bobby"))
    assert 110 in codes(await w.bob.presence(f"{w.room}/bobby"))
    body = w.bob.say(w.room, kind="groupchat")
    await said(w.alice, w.room, "bobby", body)
    await said(w.bob, w.room, "bobby", body)


@proves("a nick change that carries the mark of a join is no second join")
async def marked_nick_change(w):
    # mcabber sends it so.
    for old, new in (("bobby", "rob"), ("rob", "bobby")):
        change = w.bob.make_presence(pto=f"{w.room}/{new}")
        change.xml.append(element("<x xmlns='http://jabber.org/protocol/muc'/>"))
        change.send()
        for client in (w.alice, w.bob):
            assert 303 in codes(await client.presence(f"{w.room}/{old}", "unavailable"))
            await client.presence(f"{w.room}/{new}")


@proves("a nick in use is refused with conflict, and the old one stays")
async def nick_conflict(w):
    w.bob.send_presence(pto=f"{w.room}/alice")
    error = await w.bob.receive(
        "refusal", lambda s: s.name == "presence" and s["type"] == "error")
    assert error["error"]["condition"] == "conflict", error
    body = w.bob.say(w.room, kind="groupchat")
    await said(w.alice, w.room, "bobby", body)


@proves("who joins later gets the history with its times, then the subject")
async def history(w):
    bodies = [w.alice.say(w.room, kind="groupchat") for _ in range(3)]
    for client in (w.alice, w.bob):
        heard = [await said(client, w.room, "alice", body) for body in bodies]
    live = [only_stanza_id(message, w.room) for message in heard]
    result = await join(w.desk, w.room, "second", maxstanzas=3)
    assert [m["body"] for m in result.history] == bodies, result.history
    assert all(m.get_plugin("delay", check=True) for m in result.history)
    assert [only_stanza_id(m, w.room) for m in result.history] == live
    assert result.subject["subject"] == "tea at five", result.subject
    muc(w.desk).leave_muc(w.room, "second")
    assert 110 in codes(await w.desk.presence(f"{w.room}/second", "unavailable"))
    await w.bob.presence(f"{w.room}/second", "unavailable")


@proves("a self-ping says joined to who is, and not joined to who is not")
async def self_pings(w):
    assert await self_ping(w.alice, w.room, "alice") == "result"
    assert await self_ping(w.bob, w.room, "bobby") == "result"
    assert await self_ping(w.desk, w.room, "second") == "not-acceptable"
    assert await self_ping(w.desk, w.room, "alice") == "not-acceptable"
    for client, nick, name in ((w.bob, "bobby", "JOINED"), (w.desk, "second", "DISCONNECTED")):
        status = await client.plugin["xep_0410"].send_self_ping(
            JID(f"{w.room}/{nick}"), timeout=WAIT)
        assert status.name == name, status


@proves("unknown questions are answered by service, room, occupant and empty seat")
async def unknown_questions(w):
    for to in (w.opts.rooms, w.room, f"{w.room}/bobby", f"{w.room}/nobody"):
        for kind in ("get", "set"):
            iq = w.alice.make_iq(ito=to, itype=kind)
            iq.xml.append(element("<nonsense xmlns='urn:nonsense'/>"))
            assert await answer(iq) != "result", f"{to} accepted nonsense"


@proves("who is not in the room cannot speak in it, nor question who is")
async def outsider(w):
    await refusal(w.desk, w.room, (w.room, "groupchat"), "not-acceptable")
    await refusal(w.desk, w.room, (f"{w.room}/bobby", "chat"), "not-acceptable")
    iq = w.desk.make_iq_get(ito=f"{w.room}/bobby")
    iq.xml.append(element("<query xmlns='jabber:iq:version'/>"))
    assert await answer(iq) != "result"


@proves("a participant may not kick")
async def participant_kicks(w):
    try:
        await muc(w.bob).set_role(w.room, "alice", "none", timeout=WAIT)
    except IqError as error:
        assert error.iq["error"]["condition"] in ("forbidden", "not-allowed"), error.iq
    else:
        raise AssertionError("bob kicked the owner")


@proves("a kick is told as 307, and the kicked one is out: message and self-ping say so")
async def kick(w):
    await muc(w.alice).set_role(w.room, "bobby", "none", reason="enough", timeout=WAIT)
    own = await w.bob.presence(f"{w.room}/bobby", "unavailable")
    assert {110, 307} <= codes(own), own
    seen = await w.alice.presence(f"{w.room}/bobby", "unavailable")
    assert 307 in codes(seen) and 110 not in codes(seen), seen
    await refusal(w.bob, w.room, (w.room, "groupchat"), "not-acceptable")
    assert await self_ping(w.bob, w.room, "bobby") == "not-acceptable"


@proves("a ban is told as 301 and keeps out, until it is lifted")
async def ban(w):
    bob = w.bob.boundjid.bare
    await join(w.bob, w.room, "bob")
    await muc(w.alice).set_affiliation(w.room, "outcast", jid=bob, timeout=WAIT)
    assert {110, 301} <= codes(await w.bob.presence(f"{w.room}/bob", "unavailable"))
    assert 301 in codes(await w.alice.presence(f"{w.room}/bob", "unavailable"))
    knock = w.bob.make_presence(pto=f"{w.room}/bob")
    knock.xml.append(element("<x xmlns='http://jabber.org/protocol/muc'/>"))
    knock.send()
    error = await w.bob.receive(
        "refusal", lambda s: s.name == "presence" and s["type"] == "error")
    assert error["error"]["condition"] == "forbidden", error
    listed = await muc(w.alice).get_affiliation_list(w.room, "outcast", timeout=WAIT)
    assert [str(jid) for jid in listed] == [bob], listed
    await muc(w.alice).set_affiliation(w.room, "none", jid=bob, timeout=WAIT)
    w.alice.inbox.clear()
    await join(w.bob, w.room, "bob")
    await w.alice.presence(f"{w.room}/bob")


@proves("slixmpp understands the refusal of a join", needs="muc-error-echo")
async def refused_join(w):
    # It heeds a presence error only if that bears the `<x/>` of the join, as in
    # the examples of XEP-0045.
    try:
        await join(w.desk, w.room, "bob")
    except PresenceError as error:
        assert error.condition == "conflict", error
    else:
        raise AssertionError("two accounts got the same nick")


@proves("membership is told to all as a presence, and listed")
async def member(w):
    bob = w.bob.boundjid.bare
    await muc(w.alice).set_affiliation(w.room, "member", jid=bob, timeout=WAIT)
    for client in (w.alice, w.bob):
        told = await client.presence(f"{w.room}/bob")
        assert told.xml.find(f"{USER}x/{USER}item").get("affiliation") == "member", told
    listed = await muc(w.alice).get_affiliation_list(w.room, "member", timeout=WAIT)
    assert [str(jid) for jid in listed] == [bob], listed


@proves("who leaves is told so with 110, and the others see it")
async def leave(w):
    muc(w.bob).leave_muc(w.room, "bob")
    assert 110 in codes(await w.bob.presence(f"{w.room}/bob", "unavailable"))
    await w.alice.presence(f"{w.room}/bob", "unavailable")
    body = w.alice.say(w.room, kind="groupchat")
    await said(w.alice, w.room, "alice", body)
    await w.bob.silent_about(body, sender=w.alice)


@proves("who loses the connection or logs out leaves the room")
async def lost(w):
    for leave in ("drop", "logout"):
        guest = Client(w.opts, w.opts.bob, f"guest-{leave}")
        await guest.login()
        await join(guest, w.room, leave)
        await w.alice.presence(f"{w.room}/{leave}")
        if leave == "drop":
            guest.drop()
        else:
            await guest.logout()
        await w.alice.presence(f"{w.room}/{leave}", "unavailable")


@proves("the owner destroys the room, and it is gone")
async def destroy(w):
    await join(w.bob, w.room, "bob")
    await muc(w.alice).destroy(w.room, reason="all said", timeout=WAIT)
    for client, nick in ((w.alice, "alice"), (w.bob, "bob")):
        told = await client.presence(f"{w.room}/{nick}", "unavailable")
        assert told.xml.find(f"{USER}x/{USER}destroy") is not None, told
    assert await self_ping(w.bob, w.room, "bob") != "result"
    items = await w.bob.plugin["xep_0030"].get_items(w.opts.rooms, timeout=WAIT)
    assert str(w.room) not in {str(item[0]) for item in items["disco_items"]["items"]}


if __name__ == "__main__":
    check.run("rooms", check.options(__doc__), log_in, log_out)
