#!/usr/bin/env python3
"""Profanity, a client for the terminal, is typed at and read through tmux."""
import asyncio
import atexit
import re
import secrets
import shlex
import subprocess
import tempfile
from pathlib import Path
from types import SimpleNamespace

import check
from check import Log
from check import check as proves
from client import WAIT, Client

RESOURCE = "prof"


class Screen:
    """One profanity in a terminal of its own, with a home of its own."""

    def __init__(self, opts):
        self.home = tempfile.TemporaryDirectory(prefix="profanity-")
        home = Path(self.home.name)
        self.tmux = ["tmux", "-S", str(home / "tmux"), "-f", "/dev/null"]
        atexit.register(self.close)
        data = home / "data" / "profanity"
        config = home / "config" / "profanity"
        data.mkdir(parents=True)
        config.mkdir(parents=True)
        name, password = opts.alice
        (data / "accounts").write_text(
            f"[{name}]\nenabled=true\njid={name}@{opts.domain}\npassword={password}\n"
            f"resource={RESOURCE}\nserver={opts.host}\nport={opts.port}\ntls.policy=disable\n"
            f"muc.service={opts.rooms}\nmuc.nick={name}\n")
        # Plain output, no desktop, no logs; carbons are on by default.
        (config / "profrc").write_text("[ui]\nsplash=false\n[notifications]\nmessage=false\nroom=off\n"
                                       "[logging]\nchlog=false\n")
        env = {"HOME": home, "XDG_DATA_HOME": home / "data", "XDG_CONFIG_HOME": home / "config",
               "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "TERM": "screen-256color"}
        command = shlex.join(["env", *(f"{k}={v}" for k, v in env.items()),
                              "profanity", "--account", name, "--log", "DEBUG"])
        self.run("-u", "new-session", "-d", "-x", "150", "-y", "45", "-s", "live",
                 f"{command} 2>{home}/stderr; echo profanity ended with $?; sleep 60")

    def run(self, *arguments):
        return subprocess.run([*self.tmux, *arguments], check=True, timeout=10, text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE).stdout

    def type(self, line):
        self.run("send-keys", "-t", "live", "-l", line)
        self.run("send-keys", "-t", "live", "Enter")

    def text(self):
        return self.run("capture-pane", "-p", "-J", "-t", "live")

    async def shows(self, pattern, wait=WAIT):
        """Waits until the screen has a match, and returns it."""
        for _ in range(wait * 10):
            text = self.text()
            found = re.search(pattern, text, re.MULTILINE)
            if found:
                return found
            await asyncio.sleep(0.1)
        raise AssertionError(f"the screen never showed {pattern!r}")

    def shot(self):
        """The screen, and what profanity wrote besides: for a failure."""
        text = [f"     [{line}]" for line in self.text().splitlines() if line.strip()]
        home = Path(self.home.name)
        files = [home / "stderr", *home.glob("data/profanity/logs/*.log")]
        lines = [line for file in files if file.exists()
                 for line in file.read_text(errors="replace").splitlines()]
        return "\n".join([*text, *(f"     | {line}" for line in lines[-25:])])

    def close(self):
        subprocess.run([*self.tmux, "kill-server"], check=False, timeout=10,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.home.cleanup()


async def log_in(opts):
    world = SimpleNamespace(
        desk=Client(opts, opts.alice, "desk"), bob=Client(opts, opts.bob, "laptop"),
        alice=f"{opts.alice[0]}@{opts.domain}", bobs=f"{opts.bob[0]}@{opts.domain}",
        nick=opts.alice[0], room=f"tmux-{secrets.token_hex(4)}@{opts.rooms}")
    world.prof = f"{world.alice}/{RESOURCE}"
    await world.desk.login()
    await world.bob.login()
    for sender, receiver in ((world.desk, world.bob), (world.bob, world.desk)):
        body = sender.say(receiver.boundjid.full, f"said by {sender.boundjid.user} before it came")
        await receiver.original(body)
    world.screen = Screen(opts)
    Log.screens.append(world.screen.shot)
    await world.screen.shows("logged in successfully")
    return world


async def log_out(world):
    world.screen.close()
    await world.desk.logout()
    await world.bob.logout()


@proves("alice's other client sees it come")
async def logs_in(w):
    await w.desk.presence(w.prof)


@proves("what was said before it came is on the screen, out of the archive")
async def history(w):
    w.screen.type("/mam on")
    await w.screen.shows("Message Archive Management enabled")
    w.screen.type(f"/msg {w.bobs}")
    for name in w.nick, w.bob.boundjid.user:
        await w.screen.shows(f"said by {name} before it came")


@proves("what is typed reaches bob, and alice's other client as a sent carbon")
async def says(w):
    w.screen.type(f"/msg {w.bobs} greetings from the terminal")
    heard = await w.bob.original("greetings from the terminal")
    assert heard["from"] == w.prof
    await w.desk.carbon("sent", "greetings from the terminal")
    await w.screen.shows("greetings from the terminal")


@proves("bob's answer is on the screen, and at the other client as a received carbon")
async def hears(w):
    w.bob.say(w.prof, "greetings to the terminal")
    await w.screen.shows("greetings to the terminal")
    await w.desk.carbon("received", "greetings to the terminal")


@proves("what alice's other client sends to bob is on the screen")
async def sent_carbon(w):
    w.desk.say(w.bob.boundjid.full, "typed at the desk")
    await w.bob.original("typed at the desk")
    await w.screen.shows("typed at the desk")


@proves("what bob sends to alice's other client is on the screen")
async def received_carbon(w):
    w.bob.say(w.desk.boundjid.full, "meant for the desk")
    await w.desk.original("meant for the desk")
    await w.screen.shows("meant for the desk")


@proves("what is marked private is not on the screen")
async def private(w):
    markers = ("<private xmlns='urn:xmpp:carbons:2'/>", "<no-copy xmlns='urn:xmpp:hints'/>")
    w.bob.say(w.desk.boundjid.full, "for the desk alone", children=markers)
    w.bob.say(w.prof, "after the private one")
    await w.screen.shows("after the private one")
    assert "for the desk alone" not in w.screen.text(), "it is"


@proves("it joins a room, opens it for others, and bob joins too")
async def joins(w):
    w.screen.type(f"/join {w.room}")
    await w.screen.shows("You have joined the room as")
    await w.screen.shows("subject")  # comes last
    if "Room locked" in w.screen.text():
        w.screen.type("/room accept")
        await w.screen.shows("Room unlocked")
    await w.bob.plugin["xep_0045"].join_muc_wait(w.room, "bob", timeout=WAIT)
    await w.screen.shows(r"Participants[^\n]*\n[^\n]*\bbob\b")


@proves("it talks in the room and hears bob there")
async def talks(w):
    w.screen.type("hello, room")
    await w.bob.receive("room message", lambda s: s.name == "message" and s["body"] == "hello, room"
                        and s["from"] == f"{w.room}/{w.nick}")
    w.bob.say(w.room, "hello, terminal", kind="groupchat")
    await w.screen.shows("hello, terminal")


@proves("it changes its nick, and bob sees who it was")
async def nick(w):
    w.screen.type("/nick teapot")
    await w.bob.presence(f"{w.room}/{w.nick}", "unavailable")
    await w.bob.presence(f"{w.room}/teapot")
    await w.screen.shows("teapot")


@proves("it sees bob's new nick, and leaves the room itself")
async def leaves(w):
    await w.bob.plugin["xep_0045"].set_self_nick(w.room, "bobby", timeout=WAIT)
    await w.screen.shows("bob is now known as bobby")
    w.screen.type("/close")
    await w.bob.presence(f"{w.room}/teapot", "unavailable")


@proves("it quits, and alice's other client sees it go")
async def quits(w):
    w.screen.type("/quit")
    await w.desk.presence(w.prof, "unavailable")
    await w.screen.shows("profanity ended with 0")


if __name__ == "__main__":
    check.run("profanity", check.options(__doc__), log_in, log_out)
