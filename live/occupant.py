"""What clients do in rooms (XEP-0045), with slixmpp's own plugin where it has one."""
from types import SimpleNamespace

from client import WAIT, answer, element, is_message

USER = "{http://jabber.org/protocol/muc#user}"


def muc(client):
    return client.plugin["xep_0045"]


async def join(client, room, nick, **history):
    """Joins by slixmpp's own rules; what the join brought is not kept twice."""
    own, subject, occupants, messages = await muc(client).join_muc_wait(
        room, nick, timeout=WAIT, **history)
    client.inbox.clear()
    return SimpleNamespace(own=own, subject=subject, occupants=occupants, history=messages)


async def configure(client, room, **fields):
    """Submits the owner's form; without fields it grants an instant room (§10.1.2)."""
    iq = client.make_iq_set(ito=room)
    form = [f"<field var='muc#roomconfig_{name}'><value>{value}</value></field>"
            for name, value in fields.items()]
    if form:
        form.insert(0, "<field var='FORM_TYPE' type='hidden'>"
                       "<value>http://jabber.org/protocol/muc#roomconfig</value></field>")
    iq.xml.append(element(
        "<query xmlns='http://jabber.org/protocol/muc#owner'>"
        f"<x xmlns='jabber:x:data' type='submit'>{''.join(form)}</x></query>"))
    assert await answer(iq) == "result", "the owner may configure the room"


def codes(presence):
    return {int(status.get("code")) for status in presence.xml.findall(f"{USER}x/{USER}status")}


async def said(client, room, nick, body, kind="groupchat"):
    """A message of the room, from the occupant named."""
    return await client.receive(
        f"{kind} {body!r} from {nick}",
        lambda s: is_message(s, body) and s["from"] == f"{room}/{nick}" and s["type"] == kind)


async def refusal(client, room, body_kind, condition):
    """A message that the room refuses is answered with this condition."""
    body = client.say(*body_kind[:1], kind=body_kind[1])
    error = await client.receive(
        f"{condition} from the room",
        lambda s: s.name == "message" and s["type"] == "error" and s["from"].bare == room)
    assert error["error"]["condition"] == condition, error
    return body


async def self_ping(client, room, nick):
    iq = client.make_iq_get(ito=f"{room}/{nick}")
    iq.xml.append(element("<ping xmlns='urn:xmpp:ping'/>"))
    return await answer(iq)
