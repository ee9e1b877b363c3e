"""Many clients in one thread, read as cheaply as Python can: what arrives is
counted by searching the bytes, and only what is timed is looked into."""
import re
import select
import socket
import time

import stream

BODY = b"</body>"  # once in every delivery, carbons included
TIMED = re.compile(rb"<body>@(\d+)@")
CARBONS = "<iq type='set' id='carbons'><enable xmlns='urn:xmpp:carbons:2'/></iq>"
ROSTER = "<iq type='get' id='roster'><query xmlns='jabber:iq:roster'/></iq>"
REGISTER = ("<iq type='set' id='register'><query xmlns='jabber:iq:register'>"
            "<username>{0}</username><password>{0}</password></query></iq>")


class Member:
    """One client that has logged in."""

    def __init__(self, opts, name, resource, priority):
        login = stream.Stream(opts, name)
        login.login((name, name), resource, available=False)
        for wish, answer in ((CARBONS, "carbons"), (ROSTER, "roster")):
            login.send(wish)
            login.with_id(answer)
        login.send(f"<presence id='hello'><priority>{priority}</priority></presence>")
        login.with_id("hello")
        login.socket.settimeout(None)
        login.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.account, self.jid, self.socket = f"{name}@{opts.domain}", login.jid, login.socket
        self.heard = 0   # deliveries of messages
        self.bytes = 0
        self.tail = b""  # of what came last, where a mark may have begun

    def send(self, text):
        self.socket.sendall(text.encode())

    def read(self, delays):
        """Takes in what has come; appends the delays of what was timed."""
        try:
            data = self.socket.recv(1 << 18, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        if not data:
            raise SystemExit(f"{self.jid}: the server closed the stream")
        self.bytes += len(data)
        if delays is not None:
            now = time.monotonic_ns()
            # A mark that is cut in two is not timed; it is counted below.
            delays.extend(now - int(sent) for sent in TIMED.findall(data))
        data = self.tail + data
        self.heard += data.count(BODY)
        self.tail = data[1 - len(BODY):]


class Crowd:
    """All clients of one flow."""

    def __init__(self, opts):
        self.opts = opts
        self.members = []
        self.by_socket = {}
        self.poll = select.epoll()
        self.delays = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for member in self.members:
            member.socket.close()
        self.poll.close()

    def enter(self, name, resource, priority=0):
        member = Member(self.opts, name, resource, priority)
        self.members.append(member)
        self.by_socket[member.socket.fileno()] = member
        self.poll.register(member.socket, select.EPOLLIN)
        return member

    def read(self, seconds):
        """Reads what has come, or waits so long for it; says whether any came."""
        ready = self.poll.poll(max(seconds, 0))
        for socket_number, _ in ready:
            self.by_socket[socket_number].read(self.delays)
        return bool(ready)

    def read_until(self, is_done, what, seconds=60):
        """Reads on; the server may be silent for so long."""
        while not is_done():
            if not self.read(seconds):
                raise SystemExit(f"the server is silent: {what()}")

    def quiet(self, seconds=1.0):
        """Reads until nothing has come for a while."""
        while self.read(seconds):
            pass

    def heard(self):
        return sum(member.heard for member in self.members)


def register(opts, names):
    """Makes accounts where there is registration in band (XEP-0077)."""
    for name in names:
        with stream.Stream(opts, name) as line:
            line.open().features()
            line.send(REGISTER.format(name))
            assert line.with_id("register").get("type") == "result", f"{name} is not registered"
