#!/usr/bin/env python3
"""Bad stanzas over a bare socket: each ends in the error that RFC 6120 names,
the stream lives where it may, and nobody else notices."""
import resource
import select
import time

import check
from check import check as proves
from stream import STREAM, Closed, Stream, logged_in

STRANGERS = 200  # streams that linger unauthenticated in one check


@proves("a malformed address is answered with jid-malformed, and the stream lives")
def jid_malformed(opts):
    for bad in ("@", "a@", "a@b@c/", "/r", "a b@c", "x" * 1024 + "@" + opts.domain):
        with logged_in(opts) as stream:
            stream.send(f"<message to='{bad}' id='m'><body>hi</body></message>")
            stream.refused("m", "jid-malformed")
            stream.send(f"<iq to='{bad}' id='q' type='get'><ping xmlns='urn:xmpp:ping'/></iq>")
            stream.refused("q", "jid-malformed")
            stream.send(f"<presence to='{bad}' id='p'/>")
            stream.refused("p", "jid-malformed")
            stream.alive()


@proves("a question of no known type, or with no or two children, is a bad-request")
def bad_iq(opts):
    with logged_in(opts) as stream:
        ping = "<ping xmlns='urn:xmpp:ping'/>"
        for number, iq in enumerate([
                f"<iq id='ID' type='odd' to='{opts.domain}'>{ping}</iq>",
                f"<iq id='ID' to='{opts.domain}'>{ping}</iq>",
                f"<iq id='ID' type='get' to='{opts.domain}'/>",
                f"<iq id='ID' type='set' to='{opts.domain}'>{ping}{ping}</iq>"]):
            stream.send(iq.replace("ID", f"bad{number}"))
            stream.refused(f"bad{number}", "bad-request")
        stream.alive()


@proves("answers that nobody asked for are swallowed in silence")
def unasked_answers(opts):
    with logged_in(opts) as stream:
        for kind in ("result", "error"):
            for to in (opts.domain, f"{opts.bob[0]}@{opts.domain}", f"nobody@{opts.domain}/x"):
                stream.send(f"<iq id='unasked' type='{kind}' to='{to}'/>")
        stream.send(f"<message type='error' id='unasked' to='nobody@{opts.domain}'/>")
        stream.send("<iq type='get' id='fence'><ping xmlns='urn:xmpp:ping'/></iq>")
        assert stream.until(lambda e: e.get("id") in ("fence", "unasked")).get("id") == "fence"


@proves("an element that is no stanza ends the stream with unsupported-stanza-type")
def no_stanza(opts):
    with logged_in(opts) as stream:
        stream.send("<hello xmlns='jabber:client'/>")
        stream.stream_error("unsupported-stanza-type")


@proves("a message of unknown type, with unknown attributes and no id, arrives")
def unknown_type(opts):
    with logged_in(opts) as alice, logged_in(opts, "raw", opts.bob) as bob:
        alice.send(f"<message to='{bob.jid}' type='odd' odd='1'><body>odd one</body></message>")
        found = bob.until(lambda e: e.findtext("{jabber:client}body") == "odd one")
        assert found.get("odd") == "1", found.attrib


# From

@proves("a client that claims another from is closed with invalid-from, and nobody hears it",
        needs="invalid-from")
def foreign_from(opts):
    bob_jid = f"{opts.bob[0]}@{opts.domain}"
    with logged_in(opts, "raw", opts.bob) as bob:
        for claim in (f"{bob_jid}/raw", opts.domain, "x@elsewhere.example", "@@"):
            with logged_in(opts) as alice:
                alice.send(f"<message from='{claim}' to='{bob.jid}' id='claim'><body>I am</body></message>")
                alice.stream_error("invalid-from")
        with logged_in(opts) as alice:
            alice.send(f"<message to='{bob.jid}' id='fence'><body>fence</body></message>")
            found = bob.until(lambda e: e.get("id") in ("fence", "claim"))
            assert found.get("id") == "fence", "the forged message arrived"


@proves("a client may state its own address, full or bare; others see the full one")
def own_from(opts):
    with logged_in(opts) as alice, logged_in(opts, "raw", opts.bob) as bob:
        for number, own in enumerate((alice.jid, alice.jid.split("/")[0])):
            alice.send(f"<message from='{own}' to='{bob.jid}' id='own{number}'><body>me</body></message>")
            assert bob.with_id(f"own{number}").get("from") == alice.jid


# XML

def ends_with(opts, bad, *conditions):
    with logged_in(opts) as stream:
        stream.send(bad)
        stream.stream_error(*conditions)


@proves("what is not well-formed ends the stream with not-well-formed")
def not_well_formed(opts):
    for bad in ("<message></iq>", "<message to='a' to='b'/>", "<message to=a/>", "<a:b/>",
                "<message>&#0;</message>", "<message>&unknown;</message>", "<message <", "]]>"):
        ends_with(opts, bad, "not-well-formed", "bad-namespace-prefix", "restricted-xml")


@proves("comments, instructions and declarations end the stream with restricted-xml")
def restricted(opts):
    for bad in ("<!-- no -->", "<?php no ?>", "<message><!-- no --></message>",
                "<!DOCTYPE a [<!ENTITY b 'c'>]>"):
        ends_with(opts, bad, "restricted-xml", "not-well-formed")


@proves("bytes that are not UTF-8 end the stream")
def not_utf8(opts):
    for bad in (b"<message><body>\xff\xfe</body></message>", b"<message><body>\xc0\x80</body></message>"):
        ends_with(opts, bad, "unsupported-encoding", "not-well-formed", "bad-format")


@proves("white space between stanzas keeps the stream alive")
def white_space(opts):
    with logged_in(opts) as stream:
        stream.send(" \n\t " * 100)
        stream.alive()


@proves("a stanza that arrives byte by byte is one stanza")
def byte_by_byte(opts):
    with logged_in(opts) as stream:
        for byte in "<iq type='get' id='slow'><ping xmlns='urn:xmpp:ping'/></iq>".encode():
            stream.send(bytes([byte]))
        assert stream.with_id("slow").get("type") == "result"


# Size

@proves("an oversized stanza ends the stream with policy-violation before it is whole")
def oversized(opts):
    before = memory(opts)
    for start, filling in ((f"<message to='{opts.bob[0]}@{opts.domain}'><body>", "x"),
                           (f"<message to='{opts.bob[0]}@{opts.domain}'>", "<a/>"),
                           ("<message id='", "x"), ("<", "x")):
        with logged_in(opts) as stream:
            stream.send(start)
            chunk = filling * (65536 // len(filling))
            try:
                for _ in range(16 * 16):  # 16 MiB in all
                    stream.socket.sendall(chunk.encode())
                    # Others' presence may come meanwhile.
                    if select.select([stream.socket], [], [], 0)[0]:
                        stream.take_in()
                    if stream.has_error():
                        break
                else:
                    raise AssertionError(f"16 MiB of {filling!r} after {start!r} were taken")
            except (ConnectionError, Closed):
                continue  # closed while we still wrote: the error was lost on the way
            stream.log.note(">", f"{start}{filling}{filling}… in chunks of 64 KiB")
            expect_violation(stream)
    grown(opts, before, 128)


def expect_violation(stream):
    """The error, or a reset that swallowed it: we were still writing."""
    try:
        stream.stream_error("policy-violation", "not-well-formed")
    except Closed as closed:
        assert "ConnectionReset" in str(closed), f"closed {closed}"


@proves("a stanza of ten thousand levels ends the stream", needs="depth-limit")
def over_deep(opts):
    with logged_in(opts) as stream:
        stream.send("<message>" + "<a>" * 10_000)
        expect_violation(stream)


def many_children(opts, count):
    """Whether a message with so many arrives whole; if not, its sender is told why."""
    with logged_in(opts) as alice, logged_in(opts, "raw", opts.bob) as bob:
        children = "".join(f"<c n='{n}' xmlns='urn:c'/>" for n in range(count))
        alice.send(f"<message to='{bob.jid}' id='many'><body>many</body>{children}</message>")
        alice.send("<iq type='get' id='fence'><ping xmlns='urn:xmpp:ping'/></iq>")
        told = alice.until(lambda e: e.get("id") == "fence" or e.tag == f"{STREAM}error")
        if told.tag == f"{STREAM}error":
            assert told[0].tag.endswith("policy-violation"), told[0].tag
            bob.alive()
            return False
        many = bob.with_id("many")
        return [c.get("n") for c in many.findall("{urn:c}c")] == [str(n) for n in range(count)]


@proves("a message with two hundred children arrives whole")
def two_hundred_children(opts):
    assert many_children(opts, 200)


@proves("one with ten thousand too, or its sender's stream ends with policy-violation")
def ten_thousand_children(opts):
    many_children(opts, 10_000)


# Others are not disturbed

@proves("a client that stops reading blocks neither its sender nor anybody else")
def stops_reading(opts):
    before = memory(opts)
    with logged_in(opts, "stuck", opts.bob, buffer=4096) as stuck, \
            logged_in(opts, "flood") as flood, \
            logged_in(opts, "calm") as alice, logged_in(opts, "calm", opts.bob) as bob:
        pour(flood, f"<message to='{stuck.jid}' type='headline'><body>{'x' * 4000}</body></message>",
             megabytes=24, seconds=4)
        for number in range(20):
            alice.send(f"<message to='{bob.jid}' id='calm{number}'><body>still here</body></message>")
            bob.with_id(f"calm{number}", wait=3)
            bob.send(f"<message to='{opts.alice[0]}@{opts.domain}' id='back{number}'>"
                     "<body>me too</body></message>")
            alice.with_id(f"back{number}", wait=3)
        grown(opts, before, 128)


def pour(stream, stanza, megabytes, seconds):
    """Writes as much as is taken within the limits, and reads what comes back."""
    data, end = stanza.encode(), time.monotonic() + seconds
    stream.log.note(">", f"{stanza[:80]}… again and again")
    stream.socket.setblocking(False)
    sent, rest = 0, memoryview(data)
    try:
        while sent < megabytes * 2**20 and time.monotonic() < end:
            readable, writable, _ = select.select([stream.socket], [stream.socket], [], 0.2)
            if readable and not stream.socket.recv(65536):
                return
            if writable:
                written = stream.socket.send(rest)
                sent += written
                rest = rest[written:] or memoryview(data)
    except ConnectionError:
        return  # a server may close a flooding client


@proves("a client that stops in the middle of a stanza holds up nobody")
def half_a_stanza(opts):
    with logged_in(opts, "half") as half, logged_in(opts, "calm", opts.bob) as bob:
        half.send(f"<message to='{bob.jid}' id='half'><body>half of")
        bob.alive()
        half.send(" it</body></message>")
        assert bob.with_id("half").findtext("{jabber:client}body") == "half of it"


@proves("half a stanza of a lost connection is nothing, and its end is seen")
def lost_in_the_middle(opts):
    with logged_in(opts, "watcher") as watcher:
        with logged_in(opts, "lost") as lost:
            watcher.until(lambda e: e.get("from") == lost.jid)
            lost.send(f"<message to='{watcher.jid}' id='half'><body>half of")
        seen = watcher.until(lambda e: e.get("from") == lost.jid)
        assert seen.get("type") == "unavailable", seen.attrib


@proves("two hundred strangers that never log in hold up nobody")
def strangers(opts):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 1024)), hard))
    silent = []
    try:
        for _ in range(STRANGERS):
            silent.append(Stream(opts, "stranger"))
            silent[-1].open()
        with logged_in(opts) as alice:
            alice.alive()
    finally:
        for stream in silent:
            stream.socket.close()


# The server's memory, where its process is known

def memory(opts):
    if opts.pid is None:
        return None
    with open(f"/proc/{opts.pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) // 1024


def grown(opts, before, megabytes):
    if before is not None:
        now = memory(opts)
        assert now - before <= megabytes, f"the server grew from {before} to {now} MiB"


if __name__ == "__main__":
    check.run("bad input", check.options(__doc__))
