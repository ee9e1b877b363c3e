"""Two servers: ours, and the peer whose component it is. Parties on either side."""
import asyncio
from types import SimpleNamespace

import check
from client import Client, answer, element
from servers import Server

RETURN = 70  # seconds for what comes back by itself: a line's longest pause, and some


def options(description):
    def more(parser):
        parser.add_argument("--name", default="pair", help="how the checks call this run")
        parser.add_argument("--ours", required=True, metavar="COMMAND", help="starts our server")
        parser.add_argument("--peer", required=True, metavar="COMMAND", help="starts the peer")
        parser.add_argument("--peer-port", type=int, required=True)
        parser.add_argument("--peer-domain", required=True)
        parser.add_argument("--peer-ready", metavar="TEXT", help="what it says when it is up")
        parser.add_argument("--stranger", metavar="COMMAND",
                            help="starts the peer with another secret for our accounts")
        parser.add_argument("--logs", required=True, metavar="DIR")
    opts = check.options(description, more)
    opts.there = SimpleNamespace(
        host=opts.host, port=opts.peer_port, domain=opts.peer_domain,
        rooms=f"rooms.{opts.peer_domain}", carol=("carol", "carol"))
    return opts


async def start(opts):
    """Both servers, up and linked, the peer first."""
    peer = Server("the peer", opts.peer, opts.peer_port, f"{opts.logs}/peer.log", opts.peer_ready)
    ours = Server("our server", opts.ours, opts.port, f"{opts.logs}/ours.log")
    await peer.start()
    await ours.start()
    return SimpleNamespace(opts=opts, peer=peer, ours=ours)


async def carol(opts, resource="laptop"):
    """A native user of the peer; one whose server is killed is to be made anew."""
    return await Client(opts.there, opts.there.carol, resource).login()


async def pings(client, to):
    """What becomes of a ping."""
    iq = client.make_iq_get(ito=to)
    iq.xml.append(element("<ping xmlns='urn:xmpp:ping'/>"))
    return await answer(iq)


async def until(what, happens):
    """Asks again and again whether it is so: for what comes back by itself, in its own time."""
    loop = asyncio.get_running_loop()
    end = loop.time() + RETURN
    while loop.time() < end:
        if await happens():
            return
        await asyncio.sleep(0.2)
    raise AssertionError(f"it never happened that {what}")


async def linked(here, there):
    """Both lines are up: a client of ours and one of the peer reach the other's services."""
    async def across():
        return (await pings(here, there.boundjid.domain) == "result"
                and await pings(there, here.boundjid.domain) == "result")
    async def to_rooms():
        iq = there.make_iq_get(ito=f"rooms.{here.boundjid.domain}")
        iq.xml.append(element("<query xmlns='http://jabber.org/protocol/disco#info'/>"))
        return await answer(iq) == "result"
    await until("our accounts are linked", across)
    await until("our rooms are linked", to_rooms)


async def log_out(w):
    """Ends the clients, the peer, and our server, which must end in order."""
    for client in (w.phone, w.desk, w.carol):
        await client.logout()
    w.peer.kill()
    status = await w.ours.stop()
    assert status == 0, f"our server ended with status {status}"
