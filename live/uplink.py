#!/usr/bin/env python3
"""Our server as a component of a peer: slixmpp on both sides judges the uplink."""
import asyncio
import secrets

from slixmpp import JID

import check
import pair
from check import check as proves
from client import WAIT, Client, answer, befriend, element, only_stanza_id, stanza_ids
from occupant import codes, configure, join, muc, said

DISCO = "<query xmlns='http://jabber.org/protocol/disco#info'/>"
VERSION = "<query xmlns='jabber:iq:version'/>"


async def log_in(opts):
    w = await pair.start(opts)
    w.phone = await Client(opts, opts.alice, "phone").login()
    w.desk = await Client(opts, opts.alice, "desk").login()
    w.carol = await pair.carol(opts)
    w.alice, w.carols = w.phone.boundjid.bare, w.carol.boundjid.bare
    await pair.linked(w.phone, w.carol)
    for client in (w.phone, w.desk, w.carol):
        client.register_plugin("xep_0092", {"software_name": client.boundjid.full})
        client.inbox.clear()
    return w


async def asked(client, to, question):
    iq = client.make_iq_get(ito=to)
    iq.xml.append(element(question))
    return await answer(iq)


async def bounced(client, to):
    """The condition with which a message comes back, from its addressee."""
    number = secrets.token_hex(4)
    client.say(to, id=number)
    error = await client.receive(
        f"error about the message to {to}",
        lambda s: s.name == "message" and s["type"] == "error" and s["id"] == number)
    assert error["from"] == to, error
    return error["error"]["condition"]


@proves("a ping, disco and version are answered across, by servers, services and clients")
async def questions(w):
    here, there = w.opts, w.opts.there
    for client, domain, session in (
            (w.carol, here, w.phone), (w.phone, there, w.carol)):
        for to in (domain.domain, session.boundjid):
            assert await pair.pings(client, to) == "result", f"ping of {to}"
        for to in (domain.domain, domain.rooms, session.boundjid):
            assert await asked(client, to, DISCO) == "result", f"disco of {to}"
        version = await client.plugin["xep_0092"].get_version(session.boundjid, timeout=WAIT)
        assert version["software_version"]["name"] == session.boundjid.full, version
    assert await asked(w.phone, there.domain, VERSION) == "result"


@proves("what nobody understands gets its error across")
async def nonsense(w):
    here, there = w.opts, w.opts.there
    for client, addressees in (
            (w.carol, (here.domain, w.alice, w.phone.boundjid, here.rooms, f"{w.alice}/gone")),
            (w.phone, (there.domain, w.carols, w.carol.boundjid, there.rooms,
                       f"{w.carols}/gone"))):
        for to in addressees:
            assert await asked(client, to, "<nonsense xmlns='urn:nonsense'/>") != "result", to


@proves("a subscription is asked and granted across, and both see each other come and go")
async def subscription(w):
    await befriend(w.carol, w.phone, w.desk)
    # Who sees its presence may ask an account; to others it is as if there was none.
    assert await asked(w.carol, w.alice, DISCO) == "result"
    w.desk.send_presence(pshow="away")
    await w.carol.receive("desk is away", lambda s: (
        s.name == "presence" and s["from"] == w.desk.boundjid and s["type"] == "away"))
    w.carol.send_presence(pstatus="busy")
    await w.phone.receive("carol is busy", lambda s: (
        s.name == "presence" and s["from"] == w.carol.boundjid and s["status"] == "busy"))
    here, there = w.opts, w.opts.there
    for server, account, others in (
            (there, there.carol, (w.phone, w.desk)), (here, here.alice, (w.carol,))):
        guest = await Client(server, account, "tablet").login()
        jid = guest.boundjid.full
        for other in others:
            await other.presence(jid)
            # Who comes is told who is there: the probe has crossed.
            await guest.presence(other.boundjid.full)
        await guest.logout()
        for other in others:
            await other.presence(jid, "unavailable")


@proves("a message from there reaches both our clients, once, under one stanza-id")
async def from_there(w):
    body = w.carol.say(w.phone.boundjid.full)
    original = await w.phone.original(body)
    copy = await w.desk.carbon("received", body)
    assert only_stanza_id(original, w.alice) == only_stanza_id(copy, w.alice)
    body = w.carol.say(w.alice)
    ids = set()
    for own in (w.phone, w.desk):
        message = await own.receive(body, lambda s, own=own: (
            s if s.name == "message" and s["body"] == body else own.inner(s, "received", body)))
        ids.add(only_stanza_id(message, w.alice))
        await own.silent_about(body, sender=w.carol)
    assert len(ids) == 1, f"different ids of one message: {ids}"


@proves("a message to there arrives once, without our stanza-id, and our other client has a copy")
async def to_there(w):
    for to in (w.carol.boundjid.full, w.carols):
        body = w.phone.say(to)
        heard = await w.carol.original(body)
        assert heard["from"] == w.phone.boundjid.full and not stanza_ids(heard, w.alice), heard
        await w.desk.carbon("sent", body)
        await w.carol.silent_about(body, sender=w.phone)


@proves("a stanza-id forged in our account's name is removed, that of another domain is kept")
async def forged(w):
    ids = [f"<stanza-id xmlns='urn:xmpp:sid:0' by='{by}' id='forged'/>"
           for by in (w.alice, "elsewhere.example")]
    body = w.carol.say(w.phone.boundjid.full, children=ids)
    heard = await w.phone.original(body)
    assert only_stanza_id(heard, w.alice) != "forged"
    assert stanza_ids(heard, "elsewhere.example") == ["forged"]


async def meet(host, guest, room):
    """One party opens a room, the other comes; both talk, and the guest leaves."""
    await join(host, room, "host")
    await configure(host, room)
    await join(guest, room, "guest")
    await host.presence(f"{room}/guest")
    for speaker, nick in ((host, "host"), (guest, "guest")):
        body = speaker.say(room, kind="groupchat")
        for client in (host, guest):
            await said(client, room, nick, body)
    body = host.say(f"{room}/guest")
    await said(guest, room, "host", body, kind="chat")


@proves("our user talks in a room of the peer, and leaves it")
async def their_room(w):
    room = JID(f"live-{secrets.token_hex(4)}@{w.opts.there.rooms}")
    await meet(w.carol, w.phone, room)
    muc(w.phone).leave_muc(room, "guest")
    assert 110 in codes(await w.phone.presence(f"{room}/guest", "unavailable"))
    await w.carol.presence(f"{room}/guest", "unavailable")


@proves("a user of the peer talks in our room")
async def our_room(w):
    w.room = JID(f"live-{secrets.token_hex(4)}@{w.opts.rooms}")
    await meet(w.phone, w.carol, w.room)


@proves("who does not exist is refused: messages and questions, both ways")
async def unknown(w):
    for client, domain in ((w.carol, w.opts.domain), (w.phone, w.opts.there.domain)):
        for to in (f"nobody@{domain}", f"nobody@{domain}/x"):
            assert await bounced(client, to) == "service-unavailable", to
            assert await asked(client, to, VERSION) == "service-unavailable", to


@proves("while the peer is dead, what is for it comes back as remote-server-timeout", limit=60)
async def outage(w):
    w.peer.kill()
    there = w.opts.there
    came_back = await asyncio.gather(
        *(bounced(w.phone, to) for to in (w.carol.boundjid.full, w.carols, there.rooms)),
        *(pair.pings(w.phone, to) for to in (w.carols, there.domain)))
    assert set(came_back) == {"remote-server-timeout"}, came_back


@proves("an occupant whom nothing reaches any more is out of our room")
async def stale_occupant(w):
    body = w.phone.say(w.room, kind="groupchat")
    await said(w.phone, w.room, "host", body)
    gone = await w.phone.presence(f"{w.room}/guest", "unavailable")
    assert 307 in codes(gone) or 333 in codes(gone), gone
    # Nobody is told twice, and the room goes on.
    body = w.phone.say(w.room, kind="groupchat")
    await said(w.phone, w.room, "host", body)


@proves("a peer that refuses our accounts: remote-server-not-found; the rooms' line is its own",
        limit=90)
async def refused(w):
    await w.peer.start(w.opts.stranger)
    w.carol = await pair.carol(w.opts)

    async def not_found():
        return await bounced(w.phone, w.carols) == "remote-server-not-found"
    await pair.until("our accounts are refused", not_found)
    assert await pair.pings(w.phone, w.carols) == "remote-server-not-found"

    async def rooms_linked():
        return await asked(w.carol, w.opts.rooms, DISCO) == "result"
    await pair.until("our rooms are linked", rooms_linked)
    await join(w.carol, w.room, "again")
    await w.phone.presence(f"{w.room}/again")
    body = w.phone.say(w.room, kind="groupchat")
    await said(w.carol, w.room, "host", body)


@proves("once the peer is back, all that crosses the link crosses it again", limit=90)
async def back(w):
    w.peer.kill()
    await w.peer.start()
    w.carol = await pair.carol(w.opts)
    await pair.linked(w.phone, w.carol)
    for client in (w.phone, w.desk, w.carol):
        client.inbox.clear()
    for again in (from_there, to_there, their_room, our_room):
        await again(w)
    w.carol.send_presence(pstatus="back")
    await w.phone.receive("carol is back", lambda s: (
        s.name == "presence" and s["from"] == w.carol.boundjid and s["status"] == "back"))


if __name__ == "__main__":
    opts = pair.options(__doc__)
    check.run(opts.name, opts, log_in, pair.log_out)
