"""A server to be killed, and clients that keep account of what they sent."""
import os
import resource
import select
import signal
import socket
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape, quoteattr

from stream import CLIENT, SASL, WAIT, Closed, Stream

MAM = "{urn:xmpp:mam:2}"
RSM = "{http://jabber.org/protocol/rsm}"
FORWARD = "{urn:xmpp:forward:0}"
SM = "{urn:xmpp:sm:3}"
ARCHIVE_ID = "{tower-xmpp:archive-id:0}"
DOMAIN = "localhost"
STARTING = 20  # seconds


class House:
    """The server, which may be killed and started again in its directory."""

    def __init__(self, server, data, names, options=()):
        self.server, self.data, self.names, self.options = server, Path(data), names, options
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.log = self.data.parent / f"{self.data.name}.log"
        self.opts = SimpleNamespace(host="127.0.0.1", port=self.port, domain=DOMAIN)
        self.process = None

    def start(self, limit=None):
        """`limit`: how large its files may become, in bytes."""
        def confine():
            if limit is not None:
                # Else the process would end: it is to see an error.
                signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))

        accounts = [word for name in self.names for word in ("--account", f"{name}:{name}")]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [self.server, "--listen", f"127.0.0.1:{self.port}", "--domain", DOMAIN,
                 "--data", self.data, "--rate", "4000000000", "--log", "warn",
                 *accounts, *self.options],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                preexec_fn=confine, restore_signals=False)
        end = time.monotonic() + STARTING
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                assert self.process.poll() is None, f"it ended:\n{self.log.read_text()[-2000:]}"
                assert time.monotonic() < end, "it does not listen"
                select.select([], [], [], 0.01)

    def kill(self):
        """If it runs."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def stop(self):
        self.process.terminate()
        assert self.process.wait(STARTING) == 0, "it ended badly"

    def free(self):
        """Its files may be of any size again."""
        unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, unlimited)


class Client(Stream):
    """A session that counts what it sent and what was acknowledged."""

    def __init__(self, house, name, previous=None, wants_token=True):
        super().__init__(house.opts, name)
        self.login((name, name), "x")
        self.under_way = []  # what is not acknowledged, oldest first; None: a question
        self.acked = []
        self.told = {}  # IDs that are not those that were computed
        self.refused = {}  # what is not archived, and why
        self.bodies = []  # what came in
        self.counted = self.received = 0
        self.token = self.ask_token(previous) if wants_token else None
        self.send("<enable xmlns='urn:xmpp:sm:3'/>")
        self.until(lambda element: element.tag == f"{SM}enabled")

    def ask_token(self, previous):
        named = f"previous='{previous}'" if previous else ""
        self.send(f"<iq type='set' id='token'><token xmlns='{ARCHIVE_ID[1:-1]}' {named}/></iq>")
        return self.with_id("token").findtext(f"{ARCHIVE_ID}token")

    def say(self, messages):
        """Sends (id, to, body) in one go, and asks for an acknowledgement."""
        self.under_way += messages
        self.send("".join(
            f"<message id={quoteattr(number)} to='{to}@{DOMAIN}' type='chat'>"
            f"<body>{escape(body)}</body></message>" for number, to, body in messages)
            + "<r xmlns='urn:xmpp:sm:3'/>")

    def hear(self, wait=0.0):
        """Takes in what has come by now."""
        if not self.elements and select.select([self.socket], [], [], wait)[0]:
            self.take_in()
        while self.elements:
            self.heed(self.elements.pop(0))
        if self.ended:
            raise Closed("with </stream:stream>")

    def heed(self, element):
        if element.tag == f"{SM}a":
            new = (int(element.get("h")) - self.counted) % 2**32
            self.counted += new
            self.acked += filter(None, self.under_way[:new])
            del self.under_way[:new]
        elif element.tag == f"{SM}r":
            self.send(f"<a xmlns='urn:xmpp:sm:3' h='{self.received}'/>")
        elif element.tag.startswith(CLIENT):
            self.received += 1
            body = element.findtext(f"{CLIENT}body")
            if body is not None:
                self.bodies.append(body)
            for archived in element.findall(f"{ARCHIVE_ID}archived"):
                self.told[archived.get("id")] = archived.get("as")
            for refused in element.findall(f"{ARCHIVE_ID}not-archived"):
                self.refused[refused.get("id")] = refused[0].tag.split("}")[1]

    def settle(self):
        """Waits until all that was said is acknowledged."""
        end = time.monotonic() + 4 * WAIT
        while self.under_way:
            assert time.monotonic() < end, f"{len(self.under_way)} are never acknowledged"
            self.hear(0.2)

    def archive(self, after=None, ids=None):
        """IDs and bodies from the own archive, page by page."""
        found = []
        while True:
            fields = "".join(f"<value>{escape(one)}</value>" for one in ids or ())
            form = (f"<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'>"
                    f"<value>urn:xmpp:mam:2</value></field><field var='ids'>{fields}</field></x>"
                    if ids else "")
            place = f"<after>{escape(after)}</after>" if after else ""
            self.under_way.append(None)
            self.send(f"<iq type='set' id='mam'><query xmlns='{MAM[1:-1]}'>{form}"
                      f"<set xmlns='{RSM[1:-1]}'><max>100</max>{place}</set></query></iq>"
                      "<r xmlns='urn:xmpp:sm:3'/>")
            while True:
                element = self.read()
                result = element.find(f"{MAM}result")
                if result is not None:
                    self.received += 1
                    message = result.find(f"{FORWARD}forwarded/{CLIENT}message")
                    found.append((result.get("id"), message.findtext(f"{CLIENT}body")))
                    continue
                self.heed(element)
                if element.get("id") == "mam":
                    break
            assert element.get("type") == "result", ET.tostring(element).decode()
            if ids or element.find(f"{MAM}fin").get("complete") == "true":
                return found
            after = found[-1][0]


def whole(data, copy):
    """A database as the dead server left it, its log included: SQLite's own
    verdict on a copy, so that the server finds its files as they were."""
    import shutil
    import sqlite3
    for ending in ("", "-wal"):
        source = Path(f"{data}{ending}")
        if source.exists():
            shutil.copyfile(source, f"{copy}{ending}")
    database = sqlite3.connect(copy)
    try:
        return database.execute("PRAGMA integrity_check").fetchone()[0]
    finally:
        database.close()
        for ending in ("", "-wal", "-shm"):
            Path(f"{copy}{ending}").unlink(missing_ok=True)
