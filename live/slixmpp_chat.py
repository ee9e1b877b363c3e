#!/usr/bin/env python3
"""Two clients of alice and one of bob chat: slixmpp judges carbons and ids."""
import asyncio
from types import SimpleNamespace

import check
from check import check as proves
from client import CLIENT, Client, answer, befriend, element, only_stanza_id, stanza_ids

NO_COPY = ("<private xmlns='urn:xmpp:carbons:2'/>", "<no-copy xmlns='urn:xmpp:hints'/>")


def forged(by, number="forged"):
    return f"<stanza-id xmlns='urn:xmpp:sid:0' by='{by}' id='{number}'/>"


async def log_in(opts):
    parties = SimpleNamespace(
        opts=opts,
        phone=Client(opts, opts.alice, "phone", "PLAIN"),
        desk=Client(opts, opts.alice, "desk", "SCRAM-SHA-1"),
        bob=Client(opts, opts.bob, "laptop", opts.best_mechanism))
    for client in (parties.phone, parties.desk, parties.bob):
        await client.login()
    parties.alice = parties.phone.boundjid.bare
    parties.bobs = parties.bob.boundjid.bare
    return parties


async def log_out(parties):
    for client in (parties.phone, parties.desk, parties.bob):
        await client.logout()


@proves("PLAIN and both kinds of SCRAM were used as asked")
async def mechanisms(w):
    for client in (w.phone, w.desk, w.bob):
        used = client.plugin["feature_mechanisms"].mech.name
        assert used == client.plugin["feature_mechanisms"].use_mech, used


@proves("a wrong password is refused with each mechanism")
async def wrong_password(w):
    for mechanism in ("PLAIN", "SCRAM-SHA-1"):
        thief = Client(w.opts, (w.opts.alice[0], "wrong"), "thief", mechanism)
        try:
            await thief.login()
        except PermissionError:
            continue
        finally:
            await thief.logout()
        raise AssertionError(f"{mechanism} let a wrong password in")


@proves("a roster is answered, and the domain announces carbons")
async def discovery(w):
    await w.phone.get_roster(timeout=8)
    info = await w.phone.plugin["xep_0030"].get_info(w.opts.domain, timeout=8)
    assert "urn:xmpp:carbons:2" in info["disco_info"]["features"], info
    await w.phone.plugin["xep_0030"].get_items(w.opts.domain, timeout=8)


@proves("the account announces that its stanza-ids can be trusted")
async def account_discovery(w):
    info = await w.phone.plugin["xep_0030"].get_info(w.alice, timeout=8)
    assert "urn:xmpp:sid:0" in info["disco_info"]["features"], info


@proves("a subscription is asked, granted, and shows presence both ways")
async def subscription(w):
    await befriend(w.bob, w.phone, w.desk)


@proves("a contact is stored, told to the other client, and removed")
async def roster(w):
    carol = f"carol@{w.opts.domain}"
    pushed = asyncio.Event()
    await w.desk.get_roster(timeout=8)  # who has asked for the roster is told of changes
    w.desk.add_event_handler("roster_update", lambda iq: carol in str(iq) and pushed.set())
    for change in ({"name": "Carol", "groups": ["tea"]}, {"subscription": "remove"}):
        pushed.clear()
        await w.phone.update_roster(carol, timeout=8, **change)
        await asyncio.wait_for(pushed.wait(), 8)
        kept = w.desk.client_roster
        assert kept.has_jid(carol) == ("name" in change), kept
        assert "name" not in change or kept[carol]["groups"] == ["tea"], kept[carol]


@proves("a message to the account reaches both clients, each once")
async def to_bare(w):
    body = w.bob.say(w.alice)
    ids = set()
    for own in (w.phone, w.desk):
        message = await own.receive(
            body, lambda s, own=own: (s.name == "message" and s["body"] == body)
            or own.inner(s, "received", body))
        ids.add(only_stanza_id(message, w.alice))
        await own.silent_about(body, sender=w.bob)
    assert len(ids) == 1, f"different ids of one message: {ids}"


@proves("a message to one client is copied to the other, with the same stanza-id")
async def received_carbon(w):
    body = w.bob.say(w.phone.boundjid.full)
    original = await w.phone.original(body)
    copy = await w.desk.carbon("received", body)
    assert only_stanza_id(original, w.alice) == only_stanza_id(copy, w.alice)
    assert copy.get("from") == w.bob.boundjid.full and copy.get("to") == w.phone.boundjid.full
    await w.phone.silent_about(body, sender=w.bob)
    await w.desk.silent_about(body, sender=w.bob)


@proves("what one client sends is copied to the other, never to itself or as a second one")
async def sent_carbon(w):
    body = w.phone.say(w.bob.boundjid.full)
    original = await w.bob.original(body)
    copy = await w.desk.carbon("sent", body)
    only_stanza_id(copy, w.alice)
    assert stanza_ids(original, w.alice) == [], "alice's archive id leaked to bob"
    only_stanza_id(original, w.bobs)
    await w.phone.silent_about(body, sender=w.bob)
    await w.desk.silent_about(body, sender=w.phone)


@proves("a client that switched carbons off gets none, and gets them again")
async def off_and_on(w):
    await w.desk.plugin["xep_0280"].disable(timeout=8)
    await w.desk.plugin["xep_0280"].disable(timeout=8)
    body = w.bob.say(w.phone.boundjid.full)
    await w.phone.original(body)
    await w.desk.silent_about(body, sender=w.bob)
    await w.desk.plugin["xep_0280"].enable(timeout=8)
    await w.desk.plugin["xep_0280"].enable(timeout=8)
    again = w.bob.say(w.phone.boundjid.full)
    await w.desk.carbon("received", again)
    await w.phone.original(again)


@proves("a chat state alone is copied")
async def chat_state(w):
    composing = "<composing xmlns='http://jabber.org/protocol/chatstates'/>"
    message = w.bob.make_message(mto=w.phone.boundjid.full, mtype="chat")
    message.xml.append(element(composing))
    message["id"] = "state"
    message.send()
    await w.phone.receive("state", lambda s: s.name == "message" and s["id"] == "state")
    await w.desk.receive("carbon of the state", lambda s: "id=\"state\"" in str(s))


@proves("what is marked private is not copied, neither received nor sent")
async def private(w):
    incoming = w.bob.say(w.phone.boundjid.full, children=NO_COPY)
    await w.phone.original(incoming)
    await w.desk.silent_about(incoming, sender=w.bob)
    outgoing = w.phone.say(w.bob.boundjid.full, children=NO_COPY)
    await w.bob.original(outgoing)
    await w.desk.silent_about(outgoing, sender=w.phone)


@proves("a headline and an error are not copied")
async def not_eligible(w):
    body = w.bob.say(w.phone.boundjid.full, kind="headline")
    await w.phone.original(body)
    await w.desk.silent_about(body, sender=w.bob)


@proves("a stanza-id forged by bob in alice's name is gone, in the copy too", needs="strip-forged")
async def forged_incoming(w):
    body = w.bob.say(w.phone.boundjid.full, children=[forged(w.alice)])
    original, copy = await w.phone.original(body), await w.desk.carbon("received", body)
    assert only_stanza_id(original, w.alice) == only_stanza_id(copy, w.alice) != "forged"


@proves("a forged stanza-id goes even when nothing is archived")
async def forged_unarchived(w):
    hint = "<no-store xmlns='urn:xmpp:hints'/>"
    body = w.bob.say(w.phone.boundjid.full, children=[forged(w.alice), hint])
    original, copy = await w.phone.original(body), await w.desk.carbon("received", body)
    assert stanza_ids(original, w.alice) == stanza_ids(copy, w.alice) == []


@proves("a stanza-id forged in the own name with another spelling is gone", needs="strip-forged")
async def forged_spelling(w):
    body = w.bob.say(w.phone.boundjid.full, children=[forged(w.alice.upper())])
    original = await w.phone.original(body)
    assert "forged" not in str(original), original


@proves("a stanza-id that alice forges in bob's or her own name does not reach bob", needs="strip-forged")
async def forged_outgoing(w):
    body = w.phone.say(w.bob.boundjid.full, children=[forged(w.bobs), forged(w.alice, "mine")])
    original, copy = await w.bob.original(body), await w.desk.carbon("sent", body)
    assert only_stanza_id(original, w.bobs) != "forged"
    assert stanza_ids(original, w.alice) == []
    assert only_stanza_id(copy, w.alice) != "mine"


@proves("a stanza-id by somebody else is kept, as is the origin-id")
async def other_by(w):
    room = f"tearoom@{w.opts.rooms}"
    origin = "<origin-id xmlns='urn:xmpp:sid:0' id='from-bob'/>"
    body = w.bob.say(w.phone.boundjid.full, children=[forged(room, "of-the-room"), origin])
    for message in (await w.phone.original(body), await w.desk.carbon("received", body)):
        xml = getattr(message, "xml", message)
        assert stanza_ids(message, room) == ["of-the-room"], "the room's id is gone"
        assert xml.find("{urn:xmpp:sid:0}origin-id").get("id") == "from-bob"


@proves("a stanza-id inside a forwarded message is not touched")
async def forwarded(w):
    inner = ("<forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client' to='a@b'>"
             f"{forged(w.alice, 'deep')}</message></forwarded>")
    body = w.bob.say(w.phone.boundjid.full, children=[inner])
    message = await w.phone.original(body)
    await w.desk.carbon("received", body)
    deep = message.xml.find("{urn:xmpp:forward:0}forwarded/{jabber:client}message")
    assert stanza_ids(deep, w.alice) == ["deep"]
    assert only_stanza_id(message, w.alice) != "deep"


@proves("a carbon that bob forged is not taken for one of alice's own")
async def forged_carbon(w):
    body = f"you owe me, {w.alice}"
    wrapper = (f"<received xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'>"
               f"<message xmlns='jabber:client' from='{w.alice}' to='{w.bobs}' type='chat'>"
               f"<body>{body}</body></message></forwarded></received>")
    outer = w.bob.say(w.phone.boundjid.full, children=[wrapper])
    message = await w.phone.original(outer)
    assert message["from"] == w.bob.boundjid.full
    assert w.phone.inner(message, "received", body) is None, "slixmpp believed it"


@proves("a message to oneself arrives once and once only at the other client", needs="self-once")
async def to_self(w):
    body = w.phone.say(w.alice)
    await w.desk.receive(body, lambda s: body in str(s))
    await w.desk.silent_about(body, sender=w.phone)


@proves("unknown attributes, several bodies and foreign elements arrive as sent")
async def lossless(w):
    odd = "<odd xmlns='urn:odd' a='1' xml:lang='de'>mixed<b/> text &amp; more<c xmlns='urn:c'/></odd>"
    other = "<body xmlns='jabber:client' xml:lang='eo'>saluton</body>"
    body = w.bob.say(w.phone.boundjid.full, children=[odd, other])
    message = (await w.phone.original(body)).xml
    await w.desk.carbon("received", body)
    found = message.find("{urn:odd}odd")
    assert found.text == "mixed" and found[0].tail == " text & more" and found.get("a") == "1"
    assert [b.text for b in message.findall(f"{CLIENT}body")] == [body, "saluton"]


@proves("an unknown question is answered by domain, account, room, other and own client")
async def unknown_questions(w):
    nobody = f"nobody-{w.opts.port}"
    addressees = [None, w.opts.domain, w.alice, w.bobs, w.opts.rooms,
                  f"{nobody}@{w.opts.rooms}", f"{nobody}@{w.opts.rooms}/nick",
                  f"{nobody}@{w.opts.domain}", f"{w.alice}/gone", w.bob.boundjid.full]
    for to in addressees:
        for kind in ("get", "set"):
            iq = w.phone.make_iq(ito=to, itype=kind)
            iq.xml.append(element("<nonsense xmlns='urn:nonsense'/>"))
            condition = await answer(iq)
            assert condition != "result", f"{to} accepted nonsense"


@proves("the domain, the own account and the other client answer a ping")
async def ping(w):
    for to in (w.opts.domain, w.bob.boundjid.full):
        await w.phone.plugin["xep_0199"].send_ping(to, timeout=8)
    for to in (None, w.alice):
        iq = w.phone.make_iq_get(ito=to)
        iq.xml.append(element("<ping xmlns='urn:xmpp:ping'/>"))
        assert await answer(iq) == "result", to


@proves("a session that is asked for all the same is granted")
async def session_granted(w):
    iq = w.phone.make_iq_set()
    iq.xml.append(element("<session xmlns='urn:ietf:params:xml:ns:xmpp-session'/>"))
    assert await answer(iq) == "result"


@proves("private storage keeps what a client puts there, also to the own bare address")
async def private_storage(w):
    for to in (None, w.alice):
        put = w.phone.make_iq_set(ito=to)
        put.xml.append(element(
            "<query xmlns='jabber:iq:private'><storage xmlns='storage:bookmarks'>"
            "<conference jid='tearoom@rooms.example' autojoin='0'/></storage></query>"))
        assert await answer(put) == "result"
        get = w.desk.make_iq_get(ito=to)
        get.xml.append(element(
            "<query xmlns='jabber:iq:private'><storage xmlns='storage:bookmarks'/></query>"))
        assert "tearoom@rooms.example" in str(await get.send(timeout=8))


@proves("a negative priority gets no message to the account")
async def negative_priority(w):
    shy = Client(w.opts, w.opts.alice, "shy")
    await shy.login(carbons=False, priority=-1)
    body = w.bob.say(w.alice)
    for own in (w.phone, w.desk):
        await own.receive(body, lambda s: body in str(s))
    await shy.silent_about(body, sender=w.bob)
    await shy.logout()


@proves("who logs out or loses the connection is seen to be gone")
async def gone(w):
    for leave in ("logout", "drop"):
        guest = Client(w.opts, w.opts.alice, f"guest-{leave}")
        await guest.login()
        jid = guest.boundjid.full
        await w.bob.presence(jid)
        result = getattr(guest, leave)()
        if asyncio.isfuture(result) or asyncio.iscoroutine(result):
            await result
        await w.bob.presence(jid, "unavailable")
        await w.phone.presence(jid, "unavailable")


@proves("a message to an account that does not exist harms nobody")
async def no_such_account(w):
    w.phone.say(f"nobody@{w.opts.domain}")
    await w.phone.plugin["xep_0199"].send_ping(w.opts.domain, timeout=8)


if __name__ == "__main__":
    opts = check.options(__doc__)
    opts.best_mechanism = "SCRAM-SHA-1" if "scram-sha-256" in opts.lacks else "SCRAM-SHA-256"
    check.run("chat", opts, log_in, log_out)
