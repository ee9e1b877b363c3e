#!/usr/bin/env python3
"""Rooms reach who is away: users of Prosody and of our server, with slixmpp."""
import asyncio
import secrets
from types import SimpleNamespace

from slixmpp import JID
from slixmpp.xmlstream.handler import Callback
from slixmpp.xmlstream.matcher import MatchXPath

import check
from check import check as proves
from client import WAIT, Client, answer, element
from occupant import configure, join, said, self_ping
from servers import Server

FIELD = "{http://tigase.org/protocol/muc}offline"
FORM = ("<query xmlns='jabber:iq:register'><x xmlns='jabber:x:data' type='submit'>"
        "<field var='FORM_TYPE'><value>http://jabber.org/protocol/muc#register</value></field>"
        "<field var='muc#register_roomnick'><value>NICK</value></field>"
        "<field var='" + FIELD + "'><value>1</value></field></x></query>")
DATA = "{jabber:x:data}"
PUBSUB = "{http://jabber.org/protocol/pubsub}"


async def log_in(opts):
    w = SimpleNamespace(opts=opts, room=JID(f"live-{secrets.token_hex(4)}@rooms.localhost"))
    w.rooms = Server("rooms", opts.rooms_command, opts.component_port, opts.log, "uplink connected")
    await w.rooms.start()
    there = SimpleNamespace(host=opts.host, port=opts.peer_port, domain="localhost")
    w.alice = await Client(opts, opts.alice, "phone").login()
    w.carol = await Client(there, ("carol", "carol"), "desk").login()
    w.dan = await Client(there, ("dan", "dan"), "phone").login()
    w.pushes = asyncio.Queue()
    w.dan.register_handler(Callback(
        "push", MatchXPath("{jabber:client}iq/" + PUBSUB + "pubsub"), w.pushes.put_nowait))
    return w


async def log_out(w):
    for client in (w.alice, w.carol, w.dan):
        await client.logout()
    status = await w.rooms.stop()
    assert status == 0, f"the rooms ended with status {status}"


async def registers(client, room):
    iq = client.make_iq_set(ito=room)
    iq.xml.append(element(FORM.replace("NICK", client.boundjid.user)))
    assert await answer(iq) == "result"


async def wish(client, room):
    """What the form says about the field."""
    iq = client.make_iq_get(ito=room)
    iq.xml.append(element("<query xmlns='jabber:iq:register'/>"))
    form = (await iq.send(timeout=WAIT)).xml
    fields = [field for field in form.iter(f"{DATA}field") if field.get("var") == FIELD]
    return fields[0].findtext(f"{DATA}value")


async def archived(w):
    """All of alice's archive, as text, when all has come that carol has said."""
    await w.alice.original(w.carol.say(w.alice.boundjid.full, kind="headline"))
    w.alice.inbox.clear()
    iq = w.alice.make_iq_set()
    iq.xml.append(element("<query xmlns='urn:xmpp:mam:2'/>"))
    assert await answer(iq) == "result"
    return " ".join(str(stanza) for stanza in w.alice.inbox)


async def carol_says(w):
    body = w.carol.say(w.room, kind="groupchat")
    await said(w.carol, w.room, "carol", body)
    return body


@proves("a room that outlives the process is made, and offers both")
async def create(w):
    await join(w.carol, w.room, "carol")
    await configure(w.carol, w.room, persistentroom=1)
    info = await w.carol.plugin["xep_0030"].get_info(w.room, timeout=WAIT)
    offered = info["disco_info"]["features"]
    assert {"urn:xmpp:push:0", "http://tigase.org/protocol/muc#offline"} <= offered, offered


@proves("a user of our server who registered and is away finds what was said in its archive")
async def our_user(w):
    assert await wish(w.alice, w.room) == "0"
    await registers(w.alice, w.room)
    assert await wish(w.alice, w.room) == "1"
    body = await carol_says(w)
    assert body in await archived(w)


@proves("a server that refuses is left alone after three refusals, and nobody else suffers")
async def refusing_server(w):
    await registers(w.dan, w.room)
    assert await wish(w.dan, w.room) == "1"
    bodies = []
    while len(bodies) < 6 and await wish(w.dan, w.room) == "1":
        bodies.append(await carol_says(w))
    assert len(bodies) >= 3, bodies
    assert await wish(w.dan, w.room) == "0"
    bodies.append(await carol_says(w))
    there = await archived(w)
    assert all(body in there for body in bodies)
    assert await wish(w.alice, w.room) == "1"


@proves("killed and back, the rooms wake who believes to be there with the first message",
        limit=90)
async def killed(w):
    await join(w.dan, w.room, "dan")
    iq = w.dan.make_iq_set(ito=w.room)
    iq.xml.append(element(
        f"<enable xmlns='urn:xmpp:push:0' jid='{w.dan.boundjid.full}' node='tea'/>"))
    assert await answer(iq) == "result"
    w.rooms.kill()
    await w.rooms.start()
    await come_back(w.carol, w.room, "carol")
    body = await carol_says(w)
    push = await asyncio.wait_for(w.pushes.get(), WAIT)
    assert push["from"] == w.room, push
    assert push.xml.find(f"{PUBSUB}pubsub/{PUBSUB}publish").get("node") == "tea", push
    push.reply(clear=True).send()
    assert await self_ping(w.dan, w.room, "dan") == "not-acceptable"
    assert not w.dan.heard_of(body)
    await come_back(w.dan, w.room, "dan")
    heard = await carol_says(w)
    await said(w.dan, w.room, "carol", heard)
    assert w.pushes.empty()


@proves("what was said after the restart is in the archive of who is still away")
async def after(w):
    body = await carol_says(w)
    assert body in await archived(w)


async def come_back(client, room, nick):
    """Joins again, as a client that knows the room already."""
    client.inbox.clear()
    presence = client.make_presence(pto=f"{room}/{nick}")
    presence.xml.append(element("<x xmlns='http://jabber.org/protocol/muc'/>"))
    presence.send()
    await client.presence(f"{room}/{nick}")
    client.inbox.clear()


def more(parser):
    parser.add_argument("--peer-port", type=int, required=True)
    parser.add_argument("--component-port", type=int, required=True)
    parser.add_argument("--rooms-command", required=True)
    parser.add_argument("--log", required=True)


check.run("away", check.options(__doc__, more), log_in, log_out)
