#!/usr/bin/env python3
"""History is paged by slixmpp's own XEP-0313 plugin: of an account and of a room."""
import secrets
from types import SimpleNamespace

import check
from check import check as proves
from client import CLIENT, WAIT, Client, answer, element, is_message, only_stanza_id

MOST = 7


async def log_in(opts):
    parties = SimpleNamespace(
        opts=opts, word=secrets.token_hex(4),
        alice=Client(opts, opts.alice, "phone"),
        desk=Client(opts, opts.alice, "desk"),
        bob=Client(opts, opts.bob, "laptop"))
    for client in (parties.alice, parties.desk, parties.bob):
        client.register_plugin("xep_0313")
        await client.login()
    return parties


async def log_out(parties):
    for client in (parties.alice, parties.desk, parties.bob):
        await client.logout()


async def history(client, page=3, **query):
    """Ids and bodies, as slixmpp's iterator brings them, page by page."""
    found = []
    results = client.plugin["xep_0313"].retrieve(iterator=True, rsm={"max": page}, timeout=WAIT, **query)
    async for iq in results:
        for message in iq["mam"]["results"]:
            body = message.xml.findtext(f".//{CLIENT}body")
            found.append((message["mam_result"]["id"], body))
    return found


@proves("what both said is in the archive, in order, under the ids that were seen")
async def paging(w):
    w.said = []
    for number in range(MOST):
        sender, receiver = (w.bob, w.alice) if number % 2 else (w.alice, w.bob)
        body = f"{w.word} {number}"
        sender.say(receiver.boundjid.full, body)
        message = await receiver.original(body)
        copy = await w.desk.carbon("received" if receiver is w.alice else "sent", body)
        stamped = message if receiver is w.alice else copy
        w.said.append((only_stanza_id(stamped, w.alice.boundjid.bare), body))
    found = await history(w.desk, with_jid=w.bob.boundjid.bare)
    assert found[-MOST:] == w.said, found


@proves("the newest come first if they are asked for first")
async def backwards(w):
    results = w.desk.plugin["xep_0313"].retrieve(
        iterator=True, reverse=True, rsm={"max": 2}, timeout=WAIT)
    pages = []
    async for iq in results:
        pages.append([m["mam_result"]["id"] for m in iq["mam"]["results"]])
        if len(pages) == 2:
            break
    ids = [number for number, _ in w.said]
    assert pages == [ids[-2:], ids[-4:-2]], pages


@proves("the archive says what can be asked and where it begins and ends")
async def announced(w):
    info = await w.alice.plugin["xep_0030"].get_info(w.alice.boundjid.bare, timeout=WAIT)
    features = info["disco_info"]["features"]
    assert {"urn:xmpp:mam:2", "urn:xmpp:mam:2#extended"} <= set(features), features
    fields = await w.alice.plugin["xep_0313"].get_fields(timeout=WAIT)
    names = {field.get("var") for field in fields.xml.iter("{jabber:x:data}field")}
    assert {"with", "before-id", "ids"} <= names, names
    metadata = await w.alice.plugin["xep_0313"].get_archive_metadata(timeout=WAIT)
    assert metadata["mam_metadata"]["end"]["id"] == w.said[-1][0], metadata


@proves("nobody reads somebody else's archive")
async def foreign(w):
    iq = w.bob.make_iq_set(ito=w.alice.boundjid.bare)
    iq.xml.append(element("<query xmlns='urn:xmpp:mam:2'/>"))
    assert await answer(iq) in ("forbidden", "service-unavailable")


@proves("a room's archive has what was said, under the room's own ids")
async def room(w):
    address = f"archive-{w.word}@{w.opts.rooms}"
    await w.alice.plugin["xep_0045"].join_muc_wait(address, "Alice", timeout=WAIT)
    said = []
    for number in range(3):
        body = f"{w.word} room {number}"
        w.alice.send_message(mto=address, mbody=body, mtype="groupchat")
        message = await w.alice.receive(body, lambda s, body=body: is_message(s, body))
        said.append((only_stanza_id(message, address), body))
    found = await history(w.alice, page=2, jid=address)
    assert [entry for entry in found if entry[1]] == said, found


if __name__ == "__main__":
    check.run("archive", check.options(__doc__), log_in, log_out)
