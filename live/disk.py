#!/usr/bin/env python3
"""A disk that is full, and one that may not be written any more: messages flow
all the same, who asked for its token is told what is not archived, the log says
it once, and when there is room again, messages are archived again.

The full disk is a file system of its own in memory; where none may be mounted, a
limit on the size of the server's files. The disk that turns read-only is a file
system in a file, which the kernel is told to find broken: so it would be in
earnest. Where none may be mounted, that check is skipped.
"""
import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import check
from check import check as proves
from house import Client, House

PATIENCE = 10
BODY = "x" * 2_000
ROOM = 400_000  # bytes that are left when the test begins


class Mount:
    """A file system of its own, gone at the end."""

    def __init__(self, *options, source="tmpfs"):
        self.path = Path(tempfile.mkdtemp(prefix="disk-"))
        self.is_there = run("mount", *options, source, self.path)

    def take_away(self):
        if self.is_there:
            run("umount", "--lazy", self.path)
        self.path.rmdir()


def run(*command):
    ended = subprocess.run(command, check=False, timeout=30, stdin=subprocess.DEVNULL,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return ended.returncode == 0


def says(alice, bob, first, many, body=BODY):
    """Alice writes so many messages; Bob must get each, and she an acknowledgement."""
    numbers = [f"m{number}" for number in range(first, first + many)]
    for number in numbers:
        alice.say([(number, "bob", f"{number} {body}")])
        alice.settle()
    while len(bob.bodies) < len(numbers):
        bob.hear(PATIENCE)
    got = [text.split()[0] for text in bob.bodies]
    assert got == numbers, f"bob got {got} of {numbers}"
    bob.bodies.clear()
    # What is told is told before the acknowledgement.
    return numbers


def is_as_told(alice, numbers, after):
    """In the archive is what she was not told about, and nothing else."""
    there = [body.split()[0] for _, body in alice.archive(after=after)]
    assert there == [number for number in numbers if number not in alice.refused], there


def log_in(house):
    house.start()
    return Client(house, "alice"), Client(house, "bob", wants_token=False)


def lines_about(house, word):
    return [line for line in house.log.read_text().splitlines() if word in line]


@proves("on a full disk messages flow, who asked is told, the log says it once; "
        "with room again they are archived again")
def full(opts):
    disk = Mount("-t", "tmpfs", "-o", "size=16m")
    ballast = disk.path / "ballast"
    with tempfile.TemporaryDirectory(prefix="disk-") as directory:
        directory = disk.path / "of" if disk.is_there else Path(directory)
        house = House(opts.server, directory / "data", ["alice", "bob"])
        # Where it is kept what was logged, there must be room.
        logs = tempfile.TemporaryDirectory(prefix="disk-")
        house.log = Path(logs.name) / "log"
        directory.mkdir(exist_ok=True)
        try:
            alice, bob = fill(house, disk, ballast)
            numbers = says(alice, bob, 10, 300)
            assert 0 < len(alice.refused) < 300, f"{len(alice.refused)} of 300 were refused"
            conditions = set(alice.refused.values())
            expected = "resource-constraint" if disk.is_there else "internal-server-error"
            assert conditions == {expected}, conditions
            is_as_told(alice, numbers, alice.last)
            told = lines_about(house, "layer failed and was bypassed")
            assert 1 <= len(told) <= 2, told  # it cannot begin, or it cannot commit

            ballast.unlink() if disk.is_there else house.free()
            alice.refused.clear()
            alice.last = alice.archive(after=alice.last)[-1][0]
            numbers = says(alice, bob, 400, 50)
            assert not alice.refused, alice.refused
            is_as_told(alice, numbers, alice.last)
            for client in (alice, bob):
                client.socket.close()
            house.stop()
        finally:
            house.kill()
            logs.cleanup()
            disk.take_away()


def fill(house, disk, ballast):
    """The server runs, and there is room for some messages more."""
    if disk.is_there:
        alice, bob = log_in(house)
        says(alice, bob, 0, 5)
        left = os.statvfs(disk.path)
        with ballast.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, left.f_bavail * left.f_frsize - ROOM)
    else:
        house.start(limit=1_000_000)
        alice, bob = Client(house, "alice"), Client(house, "bob", wants_token=False)
        says(alice, bob, 0, 5)
    alice.last = alice.archive()[-1][0]
    assert not alice.refused, alice.refused
    return alice, bob


@proves("on a disk that turns read-only messages flow, who asked is told, the log says it once; "
        "what was acknowledged before is there when the disk is mended", needs="mount")
def read_only(opts):
    with tempfile.TemporaryDirectory(prefix="disk-") as directory:
        image = Path(directory) / "image"
        with image.open("wb") as file:
            file.truncate(16 << 20)
        assert run("mkfs.ext4", "-q", "-O", "^has_journal", image), "no file system is made"
        disk = Mount("-o", "loop,errors=remount-ro", source=image)
        house = House(opts.server, disk.path / "data", ["alice", "bob"])
        house.log = Path(directory) / "log"
        try:
            alice, bob = log_in(house)
            kept = says(alice, bob, 0, 20)
            assert not alice.refused, alice.refused
            device = subprocess.run(["findmnt", "-no", "SOURCE", disk.path], check=True, text=True,
                                    stdout=subprocess.PIPE).stdout.strip().rpartition("/")[2]
            Path(f"/sys/fs/ext4/{device}/trigger_fs_error").write_text("1")
            lost = says(alice, bob, 20, 20)
            assert sorted(alice.refused) == sorted(lost), alice.refused
            told = lines_about(house, "layer failed and was bypassed")
            assert 1 <= len(told) <= 2, told
            house.stop()
            assert run("umount", disk.path), "it is still in use"
            # 1: there was something to mend, and it is mended.
            run("e2fsck", "-fy", image)
            assert run("mount", "-o", "loop", image, disk.path)
            alice, bob = log_in(house)
            is_as_told(alice, kept, None)
            alice.refused.clear()
            there = alice.archive()[-1][0]
            is_as_told(alice, says(alice, bob, 40, 5), there)
            house.stop()
        finally:
            house.kill()
            disk.take_away()


def can_mount():
    disk = Mount("-t", "tmpfs", "-o", "size=1m")
    disk.take_away()
    return disk.is_there and Path("/sys/fs/ext4").is_dir()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", required=True, help="the example server's executable")
    parser.add_argument("--only")
    options = parser.parse_args()
    options.lacks = [] if can_mount() else ["mount"]
    check.run("disk", options)
