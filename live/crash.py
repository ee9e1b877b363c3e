#!/usr/bin/env python3
"""Clients write at full speed, the server is killed at a random moment, and its
archives are looked into when it is back: round after round.

alice and carol ask for their tokens and name the previous ones: what they were
told is handled must be in their archives exactly once, and in the order in which
they wrote it; so must be the rest, once they have sent it again. erin does not
say which token she had: hers must be there at least once. Each ID that anybody
knew before a crash must still resolve, and bob, to whom all of them write, must
have what was acknowledged in his archive, or have heard it.
"""
import argparse
import random
import secrets
import sys
import tempfile
import threading
import time
from pathlib import Path

from house import Client, House, whole
from stream import Closed

WRITERS = ["alice", "carol", "erin"]
NAMELESS = "erin"
CHUNK = 20  # messages between two questions for an acknowledgement
WINDOW = 500  # messages that are not acknowledged: more than the server takes at once
MOST = 1.0  # seconds of writing before a kill
SAMPLE = 100  # of the IDs of earlier rounds, that are asked for again


class Writer:
    """A client over all its sessions, with what it knows."""

    def __init__(self, name):
        self.name, self.names_previous = name, name != NAMELESS
        self.session = self.token = None
        self.number = 0
        self.last = None  # the ID up to which the archive is known
        self.known = []  # every ID that was ever seen in the archive
        self.resent = self.found = self.twice = 0

    def come(self, house):
        self.session = Client(house, self.name, self.token if self.names_previous else None)
        self.token = self.session.token

    def write(self, until):
        """At full speed, until the server is gone."""
        try:
            while not until.is_set():
                if len(self.session.under_way) > WINDOW:
                    self.session.hear(1.0)
                    continue
                chunk = []
                for _ in range(CHUNK):
                    self.number += 1
                    chunk.append((f"m{self.number}", "bob", f"{self.name} {self.number}"))
                self.session.say(chunk)
                self.session.hear()
        except (Closed, OSError):
            pass  # It was killed.

    def hear_the_rest(self):
        """What the dead server had still sent."""
        try:
            while True:
                self.session.hear(0.05)
        except (Closed, OSError):
            self.session.socket.close()

    def ids_of(self, session, messages, token):
        """The IDs under which a client believes its messages to lie."""
        return [session.told.get(number, token + number) for number, _, _ in messages]

    def look(self, house):
        """After a crash: what was acknowledged is there, the rest is sent again."""
        before, token = self.session, self.token
        self.come(house)
        session = self.session
        acked, unknown = before.acked, [one for one in before.under_way if one]
        # Under the IDs that the client computed before it wrote.
        expected = self.ids_of(before, acked, token)
        for first in range(0, len(expected), 100):
            ids = expected[first:first + 100]
            found = [one for one, _ in session.archive(ids=ids)]
            assert found == ids, f"{self.name}: acknowledged, but not there: {set(ids) - set(found)}"
        there = session.archive(after=self.last)
        bodies = [body for _, body in there]
        said = [body for _, _, body in acked + unknown]
        assert bodies == said[:len(bodies)], f"{self.name}: another order, or something twice"
        assert len(bodies) >= len(acked), f"{self.name}: {len(acked)} were acknowledged"
        # None can know how much of the rest has arrived.
        for first in range(0, len(unknown), CHUNK):
            session.say(unknown[first:first + CHUNK])
            session.hear()
        session.settle()
        assert not session.refused, session.refused
        self.resent += len(unknown)
        self.found += len(bodies) - len(acked)
        there = session.archive(after=self.last)
        bodies = [body for _, body in there]
        if self.names_previous:
            assert bodies == said, f"{self.name}: not each exactly once, in order"
        else:
            assert set(bodies) == set(said), f"{self.name}: some are not there"
            self.twice += len(bodies) - len(said)
        sample = random.sample(self.known, min(SAMPLE, len(self.known)))
        found = {one for one, _ in session.archive(ids=sample)} if sample else set()
        assert found == set(sample), f"{self.name}: IDs that no longer resolve: {set(sample) - found}"
        self.known += [one for one, _ in there]
        self.last = self.known[-1] if self.known else None
        session.acked.clear()
        return len(acked)


def drain(client):
    """Bob reads whatever comes."""
    try:
        while True:
            client.hear(1.0)
    except (Closed, OSError, ValueError):
        pass


def play(opts, house, directory):
    moments = random.Random(opts.seed)
    writers = [Writer(name) for name in WRITERS]
    house.start()
    for writer in writers:
        writer.come(house)
    acked = 0
    delivered, last = set(), None
    for number in range(opts.rounds):
        bob = Client(house, "bob", wants_token=False)
        reader = threading.Thread(target=drain, args=[bob])
        over = threading.Event()
        threads = [threading.Thread(target=writer.write, args=[over]) for writer in writers]
        for thread in [reader, *threads]:
            thread.start()
        time.sleep(moments.uniform(0.02, MOST))
        house.kill()
        over.set()
        for thread in [reader, *threads]:
            thread.join()
        bob.socket.close()
        delivered.update(bob.bodies)
        for writer in writers:
            writer.hear_the_rest()
        verdict = whole(house.data / "archive.sqlite", directory / "copy")
        assert verdict == "ok", f"round {number}: {verdict}"
        house.start()
        known = [said for writer in writers for said in writer.session.acked]
        now = sum(writer.look(house) for writer in writers)
        acked += now
        # What a client was told is handled has reached its recipient, or is in
        # the recipient's archive.
        bob = Client(house, "bob", wants_token=False)
        kept = bob.archive(after=last)
        last = kept[-1][0] if kept else last
        delivered.update(body for _, body in kept)
        lost = [body for _, _, body in known if body not in delivered]
        assert not lost, f"acknowledged, and bob knows nothing of {len(lost)}: {lost[:5]}"
        bob.socket.close()
        print(f"     round {number + 1}: {now} acknowledged", flush=True)
    house.stop()
    return writers, acked


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", required=True, help="the example server's executable")
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**32))
    opts = parser.parse_args()
    print(f"     seed {opts.seed}", flush=True)
    random.seed(opts.seed)
    start = time.monotonic()
    sentence = f"what was acknowledged outlives {opts.rounds} crashes"
    with tempfile.TemporaryDirectory(prefix="crash-") as directory:
        house = House(opts.server, Path(directory) / "data", [*WRITERS, "bob"])
        try:
            writers, acked = play(opts, house, Path(directory))
        except (AssertionError, Closed, OSError) as error:
            print(f"FAIL crash: {sentence} (seed {opts.seed})\n     {error}", flush=True)
            raise
        finally:
            house.kill()
    assert acked > 0, "nothing was acknowledged: nothing was tried"
    sent = sum(writer.number for writer in writers)
    resent = sum(writer.resent for writer in writers)
    found = sum(writer.found for writer in writers)
    print(f"     {sent} sent, {acked} acknowledged before a crash, {resent} sent again, of which "
          f"{found} lay there already; {writers[-1].twice} of {NAMELESS}'s are there twice")
    print(f"ok   crash: {sentence} ({time.monotonic() - start:.0f} s)")


if __name__ == "__main__":
    sys.exit(main())
