#!/usr/bin/env python3
"""How streams begin, log in and end, over a bare socket: what goes wrong ends in
the error that RFC 6120 names."""
import check
from check import check as proves
from stream import SASL, Closed, Stream, encode, logged_in, sasl_failure

NO_STREAM = ("not-well-formed", "bad-format", "invalid-namespace", "bad-namespace-prefix",
             "unsupported-encoding", "restricted-xml")


@proves("a stream to an unknown host ends with host-unknown")
def unknown_host(opts):
    with Stream(opts) as stream:
        stream.open(to="elsewhere.example").stream_error("host-unknown")


@proves("bytes that are no stream end it")
def no_stream(opts):
    for first in ("GET / HTTP/1.1\r\n\r\n", "<?xml version='1.0'?><hello/>"):
        with Stream(opts) as stream:
            stream.send(first)
            stream.stream_error(*NO_STREAM)


@proves("bytes that are no text end the stream", needs="binary-first")
def no_text(opts):
    with Stream(opts) as stream:
        stream.send(b"\x16\x03\x01\x02\x00\x01")  # how TLS begins
        stream.stream_error(*NO_STREAM)


@proves("a stream in a foreign namespace ends with invalid-namespace")
def foreign_namespace(opts):
    with Stream(opts) as stream:
        stream.open(prefix_namespace="urn:odd").stream_error("invalid-namespace")


@proves("stanzas before login and before binding end the stream with not-authorized",
        needs="early-stanza")
def too_early(opts):
    with Stream(opts) as stream:
        stream.open().features()
        stream.send(f"<message to='{opts.bob[0]}@{opts.domain}'><body>early</body></message>")
        stream.stream_error("not-authorized")
    with Stream(opts) as stream:
        stream.open().features()
        stream.plain(opts.alice)
        stream.restart()
        stream.send(f"<message to='{opts.bob[0]}@{opts.domain}'><body>early</body></message>")
        stream.stream_error("not-authorized")


@proves("failed logins are told why, and the same stream may try again")
def sasl_failures(opts):
    # RFC 6120 §6.4.5: at least two retries on one stream, and no more than five.
    for mechanism, payload, *conditions in (
            ("X-NONE", "", "invalid-mechanism"),
            ("PLAIN", "%%%", "incorrect-encoding", "malformed-request"),
            ("PLAIN", encode("no zeros"), "malformed-request", "not-authorized"),
            ("SCRAM-SHA-1", encode("n,,odd"), "malformed-request", "not-authorized")):
        with Stream(opts) as stream:
            stream.open().features()
            assert sasl_failure(stream.auth(mechanism, payload)) in conditions
            assert sasl_failure(stream.plain((opts.alice[0], "wrong"))) == "not-authorized"
            assert stream.plain(opts.alice).tag == f"{SASL}success"


@proves("who goes on guessing passwords is sent away", needs="login-limit")
def guessing(opts):
    with Stream(opts) as stream:
        stream.open().features()
        told = [stream.plain((opts.alice[0], "wrong"))]
        while told[-1].tag == f"{SASL}failure":
            assert len(told) <= 6, "more than five retries were granted"
            try:
                told.append(stream.plain((opts.alice[0], f"wrong{len(told)}")))
            except (Closed, ConnectionError):
                return


@proves("an unknown account fails like a wrong password")
def unknown_account(opts):
    with Stream(opts) as stream:
        stream.open().features()
        assert sasl_failure(stream.plain(("nobody", "wrong"))) == "not-authorized"
        assert sasl_failure(stream.scram(("nobody", "wrong"), "SCRAM-SHA-1")) == "not-authorized"


@proves("nobody logs in as somebody else", needs="authzid")
def foreign_authzid(opts):
    with Stream(opts) as stream:
        stream.open().features()
        bob = f"{opts.bob[0]}@{opts.domain}"
        assert sasl_failure(stream.plain(opts.alice, authzid=bob)) in (
            "invalid-authzid", "not-authorized")


@proves("an aborted login is answered with aborted")
def aborted(opts):
    with Stream(opts) as stream:
        stream.open().features()
        answer = stream.auth("SCRAM-SHA-1", encode("n,,n=alice,r=abcdefgh"))
        assert answer.tag == f"{SASL}challenge", answer
        stream.send(f"<abort xmlns='{SASL[1:-1]}'/>")
        assert sasl_failure(stream.read()) == "aborted"


def scram_both_ways(opts, mechanism):
    for gs2 in ("n,,", "y,,"):
        with Stream(opts) as stream:
            stream.open().features()
            assert stream.scram(opts.alice, mechanism, gs2).tag == f"{SASL}success", gs2
    with Stream(opts) as stream:
        stream.open().features()
        wrong = stream.scram((opts.alice[0], "wrong"), mechanism)
        assert sasl_failure(wrong) == "not-authorized"


@proves("SCRAM-SHA-1 works for clients that say n,, and y,, and proves the server")
def scram_sha_1(opts):
    scram_both_ways(opts, "SCRAM-SHA-1")


@proves("SCRAM-SHA-256 works for clients that say n,, and y,, and proves the server",
        needs="scram-sha-256")
def scram_sha_256(opts):
    scram_both_ways(opts, "SCRAM-SHA-256")


@proves("a resource that is taken leaves one owner, and says so to the other")
def resource_conflict(opts):
    with logged_in(opts, "taken") as first, Stream(opts) as second:
        second.open().features()
        second.plain(opts.alice)
        second.restart()
        answer = second.bind("taken")
        if answer.get("type") == "error":
            first.alive()
        elif answer.findtext(".//{urn:ietf:params:xml:ns:xmpp-bind}jid") == first.jid:
            first.stream_error("conflict")
        else:
            first.alive()
            second.alive()


@proves("</stream:stream> is answered with the same, after everything before it")
def farewell(opts):
    with logged_in(opts) as stream:
        stream.send("<iq type='get' id='last'><ping xmlns='urn:xmpp:ping'/></iq></stream:stream>")
        assert stream.with_id("last").get("type") == "result"
        stream.is_closed()


@proves("binding is offered after login, and no session, which fails clients if denied",
        needs="no-session-offer")
def offered(opts):
    with Stream(opts) as stream:
        stream.open().features()
        stream.plain(opts.alice)
        offers = [feature.tag for feature in stream.restart()]
        assert "{urn:ietf:params:xml:ns:xmpp-bind}bind" in offers, offers
        assert "{urn:ietf:params:xml:ns:xmpp-session}session" not in offers, offers


if __name__ == "__main__":
    check.run("login", check.options(__doc__))
