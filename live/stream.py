"""A bare XMPP client stream over a socket, to send what no client would."""
import base64
import hashlib
import hmac
import secrets
import socket
import time
from xml.etree import ElementTree as ET

from check import Log

WAIT = 8  # seconds for anything that must arrive
STREAM = "{http://etherx.jabber.org/streams}"
STREAM_ERROR = "{urn:ietf:params:xml:ns:xmpp-streams}"
SASL = "{urn:ietf:params:xml:ns:xmpp-sasl}"
STANZA_ERROR = "{urn:ietf:params:xml:ns:xmpp-stanzas}"
CLIENT = "{jabber:client}"


class Closed(Exception):
    """The server ended the stream: with its closing tag, or without a word."""


class Stream:
    def __init__(self, opts, name="raw", buffer=None):
        self.opts = opts
        self.log = Log(name)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self.socket.settimeout(WAIT)
        self.socket.connect((opts.host, opts.port))
        self.jid = None
        self.fresh()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # What came unread belongs into the report of a failure.
        self.socket.setblocking(False)
        try:
            self.log.note("< unread", self.socket.recv(65536))
        except OSError:
            pass
        self.socket.close()

    def fresh(self):
        """After SASL a new stream begins, with a new document."""
        self.parser = ET.XMLPullParser(["start", "end"])
        self.depth = 0
        self.elements = []
        self.ended = False

    # Sending and receiving

    def send(self, data):
        raw = data.encode() if isinstance(data, str) else data
        self.log.note(">", raw[:400])
        self.socket.sendall(raw)

    def read(self, wait=WAIT):
        """The next child of the stream; raises `Closed` or a time-out."""
        end = time.monotonic() + wait
        while not self.elements:
            if self.ended:
                raise Closed("with </stream:stream>")
            self.socket.settimeout(max(end - time.monotonic(), 0.01))
            try:
                self.take_in()
            except (socket.timeout, TimeoutError):
                raise AssertionError(f"nothing within {wait} s") from None
        return self.elements.pop(0)

    def take_in(self):
        """Keeps what the socket has for whoever reads next."""
        try:
            data = self.socket.recv(65536)
        except ConnectionError as error:
            raise Closed(f"by {type(error).__name__}") from None
        if not data:
            raise Closed("without </stream:stream>")
        self.log.note("<", data)
        self.parser.feed(data)
        self.collect()

    def has_error(self):
        """The server's farewell is among what was taken in."""
        return self.ended or any(element.tag == f"{STREAM}error" for element in self.elements)

    def collect(self):
        for event, element in self.parser.read_events():
            if event == "start":
                self.depth += 1
                continue
            self.depth -= 1
            if self.depth == 1:
                self.elements.append(element)
            elif self.depth == 0:
                self.ended = True

    def until(self, condition, wait=WAIT):
        """Reads on until a child meets the condition."""
        end = time.monotonic() + wait
        while True:
            element = self.read(end - time.monotonic())
            if condition(element):
                return element

    def with_id(self, identity, wait=WAIT):
        return self.until(lambda element: element.get("id") == identity, wait)

    # Negotiation

    def open(self, to=None, namespace="jabber:client", prefix_namespace=STREAM[1:-1]):
        self.send(f"<?xml version='1.0'?><stream:stream to='{to or self.opts.domain}' version='1.0' "
                  f"xmlns='{namespace}' xmlns:stream='{prefix_namespace}'>")
        return self

    def features(self):
        return self.until(lambda element: element.tag == f"{STREAM}features")

    def auth(self, mechanism, payload):
        """Starts SASL and returns the answer's element."""
        self.send(f"<auth xmlns='{SASL[1:-1]}' mechanism='{mechanism}'>{payload}</auth>")
        return self.read()

    def plain(self, account, authzid=""):
        name, password = account
        return self.auth("PLAIN", encode(f"{authzid}\0{name}\0{password}"))

    def scram(self, account, mechanism, gs2="n,,"):
        """The whole of SCRAM; returns the last answer, having checked the server's proof."""
        name, password = account
        digest = {"SCRAM-SHA-1": "sha1", "SCRAM-SHA-256": "sha256"}[mechanism]
        nonce = secrets.token_hex(12)
        first = f"n={name},r={nonce}"
        challenge = self.auth(mechanism, encode(gs2 + first))
        if challenge.tag != f"{SASL}challenge":
            return challenge
        server_first = base64.b64decode(challenge.text).decode()
        fields = dict(part.split("=", 1) for part in server_first.split(","))
        assert fields["r"].startswith(nonce) and len(fields["r"]) > len(nonce), server_first
        salted = hashlib.pbkdf2_hmac(
            digest, password.encode(), base64.b64decode(fields["s"]), int(fields["i"]))
        final = f"c={encode(gs2)},r={fields['r']}"
        message = f"{first},{server_first},{final}".encode()
        key = hmac.digest(salted, b"Client Key", digest)
        signature = hmac.digest(hashlib.new(digest, key).digest(), message, digest)
        proof = bytes(a ^ b for a, b in zip(key, signature))
        self.send(f"<response xmlns='{SASL[1:-1]}'>"
                  f"{encode(final + ',p=' + base64.b64encode(proof).decode())}</response>")
        answer = self.read()
        if answer.tag == f"{SASL}success":
            expected = hmac.digest(hmac.digest(salted, b"Server Key", digest), message, digest)
            told = base64.b64decode(answer.text).decode()
            assert told == "v=" + base64.b64encode(expected).decode(), "the server proved nothing"
        return answer

    def login(self, account, resource, available=True):
        self.open().features()
        answer = self.plain(account)
        assert answer.tag == f"{SASL}success", ET.tostring(answer)
        self.restart()
        bound = self.bind(resource)
        assert bound.get("type") == "result", ET.tostring(bound)
        self.jid = bound.findtext(".//{urn:ietf:params:xml:ns:xmpp-bind}jid")
        self.log.name = self.jid.split("@")[0] + "/" + self.jid.split("/")[1]
        if available:
            self.send("<presence id='hello'/>")
            self.with_id("hello")
        return self

    def restart(self):
        self.fresh()
        return self.open().features()

    def bind(self, resource):
        self.send("<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>"
                  f"<resource>{resource}</resource></bind></iq>")
        return self.with_id("bind")

    # What tests ask again and again

    def alive(self):
        """The stream still answers."""
        identity = "alive-" + secrets.token_hex(4)
        self.send(f"<iq type='get' id='{identity}' to='{self.opts.domain}'>"
                  "<ping xmlns='urn:xmpp:ping'/></iq>")
        assert self.with_id(identity).get("type") == "result"

    def stream_error(self, *conditions):
        """The server ends the stream with one of these conditions."""
        error = self.until(lambda element: element.tag == f"{STREAM}error")
        told = error[0].tag.replace(STREAM_ERROR, "")
        assert told in conditions, f"{told} instead of {' or '.join(conditions)}"
        self.is_closed()

    def is_closed(self):
        """After an error or our own farewell the server closes, both tag and socket."""
        try:
            while True:
                self.read()
        except Closed as closed:
            assert "with <" in str(closed), f"closed {closed}"
        self.socket.settimeout(WAIT)
        try:
            assert self.socket.recv(1) == b"", "the socket stays open"
        except ConnectionError:
            pass

    def refused(self, identity, *conditions):
        """The stanza with this id is answered with one of these errors."""
        answer = self.with_id(identity)
        assert answer.get("type") == "error", ET.tostring(answer).decode()
        error = answer.find(f"{CLIENT}error")
        told = error[0].tag.replace(STANZA_ERROR, "")
        assert told in conditions, f"{told} instead of {' or '.join(conditions)}"


def encode(text):
    return base64.b64encode(text.encode()).decode()


def sasl_failure(answer):
    """The condition of a SASL failure."""
    assert answer.tag == f"{SASL}failure", ET.tostring(answer).decode()
    return answer[0].tag.replace(SASL, "")


def logged_in(opts, resource="raw", account=None, **options):
    """A session of alice, or of another account."""
    return Stream(opts, **options).login(account or opts.alice, resource)
