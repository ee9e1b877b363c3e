"""Puts one server under load, flow by flow, and writes what it costs.

Every flow is played twice: at full speed, where each line of talk has a window
of messages under way, for the CPU time of the server; and as a trickle that no
server is short of breath at, for the time that a delivery takes.
"""
import argparse
import itertools
import json
import os
import re
import time
import urllib.request

from load_crowd import Crowd, register

TICKS = os.sysconf("SC_CLK_TCK")
numbers = itertools.count(1)


class Process:
    """The server: the process and all its descendants."""

    def __init__(self, pid):
        self.pid = pid

    def all(self):
        found, waiting = [], [self.pid]
        while waiting:
            pid = waiting.pop()
            found.append(pid)
            for task in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{task}/children") as children:
                    waiting += map(int, children.read().split())
        return found

    def cpu(self):
        """Seconds, user and system, of all threads, those that have ended among them."""
        return sum(sum(map(int, self.stat(pid)[11:13])) for pid in self.all()) / TICKS

    def stat(self, pid):
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()

    def rest(self):
        """Until it has nothing to do: those who left a room of 500 are still told of."""
        before, now = None, self.cpu()
        while before is None or now - before > 0.05:
            time.sleep(1)
            before, now = now, self.cpu()

    def memory(self):
        """Resident bytes."""
        pages = sum(int(self.stat(pid)[21]) for pid in self.all())
        return pages * os.sysconf("SC_PAGE_SIZE")


class Writes:
    """What the server itself counts, if it does: stanzas, and writes of them."""

    def __init__(self, address):
        self.address = address
        self.before = self.counted()

    def counted(self):
        if not self.address:
            return None
        with urllib.request.urlopen(f"http://{self.address}/metrics") as answer:
            figures = answer.read().decode()
        return [int(re.search(rf"^server_{name}_total (\d+)$", figures, re.M)[1])
                for name in ("stanzas_written", "writes")]

    def stanzas_each(self):
        stanzas, writes = (now - before for now, before in zip(self.counted(), self.before))
        return stanzas / writes


class Line:
    """Talkers who take turns, each with somebody or some room to talk to, and
    an ear that hears each of their messages once."""

    def __init__(self, talkers, kind, ear, window):
        self.talkers = itertools.cycle(talkers)
        self.kind, self.ear, self.window = kind, ear, window
        self.sent, self.base = 0, ear.heard

    def start(self):
        self.sent, self.base = 0, self.ear.heard

    def talk(self):
        """Sends as much as the window lets; one message more for each heard."""
        free = self.window - (self.sent - (self.ear.heard - self.base))
        said = {}
        for _ in range(free):
            member, to = next(self.talkers)
            said.setdefault(member, []).append(self.message(to))
        for member, messages in said.items():
            member.send("".join(messages))
        self.sent += max(free, 0)

    def say(self, mark):
        member, to = next(self.talkers)
        member.send(self.message(to, mark))
        self.sent += 1

    def message(self, to, mark=""):
        """As clients write it: 300 bytes."""
        number = next(numbers)
        return (f"<message to='{to}' type='{self.kind}' id='load-{number:012}'>"
                f"<body>{mark}There is a tide in the affairs of men, and you are at it {number}</body>"
                f"<origin-id xmlns='urn:xmpp:sid:0' id='load-{number:012}'/>"
                "<active xmlns='http://jabber.org/protocol/chatstates'/></message>")


# The flows. Each logs its clients in and returns its lines, and how many
# deliveries one message makes.

def chat(crowd):
    """Ten pairs of accounts, three clients each with carbons."""
    lines = []
    for pair in range(10):
        sides = []
        for account in (f"u{2 * pair}", f"u{2 * pair + 1}"):
            first = crowd.enter(account, "first", priority=5)
            crowd.enter(account, "second")
            crowd.enter(account, "third")
            sides.append(first)
        for one, other in (sides, sides[::-1]):
            lines.append(Line([(one, other.account)], "chat", other, window=10))
    return lines, 5


def room(size):
    def flow(crowd):
        members = [crowd.enter(f"u{number}", "first") for number in range(size)]
        address = f"room{size}@{crowd.opts.rooms}"
        for member in members:
            join(crowd, member, address, size)
        settle(crowd)
        talkers = [(member, address) for member in members[:10]]
        return [Line(talkers, "groupchat", members[0], window=30)], size
    flow.__doc__ = f"A room of {size}."
    return flow


def rooms(crowd):
    """Ten rooms, in each of them fifty accounts with three clients."""
    members = [crowd.enter(f"u{number}", resource)
               for number in range(50) for resource in ("first", "second", "third")]
    addresses = [f"one-of-ten-{number}@{crowd.opts.rooms}" for number in range(10)]
    for address in addresses:
        for member in members:
            join(crowd, member, address, len(members))
    settle(crowd)
    talkers = list(zip(members, itertools.islice(itertools.cycle(addresses), 50)))
    return [Line(talkers, "groupchat", members[0], window=30)], len(members)


def join(crowd, member, address, _):
    nick = member.jid.partition("@")[0] + "-" + member.jid.partition("/")[2]
    member.send(f"<presence to='{address}/{nick}'><x xmlns='http://jabber.org/protocol/muc'>"
                "<history maxstanzas='0'/></x></presence>")
    before = member.bytes
    crowd.read_until(lambda: member.bytes > before, lambda: f"{member.jid} cannot join {address}")


def settle(crowd):
    crowd.quiet()
    for member in crowd.members:
        member.heard = 0


def measure(opts, flow):
    process = Process(opts.pid)
    process.rest()
    with Crowd(opts) as crowd:
        lines, fan_out = flow(crowd)
        crowd.quiet(0.3)
        flood(crowd, lines, fan_out, 1)  # warms up
        writes = Writes(opts.metrics)
        cpu, start = process.cpu(), time.monotonic()
        deliveries = flood(crowd, lines, fan_out, opts.seconds)
        took, cpu = time.monotonic() - start, process.cpu() - cpu
        memory, counted = process.memory(), {}
        if opts.metrics:
            counted["write"] = writes.stanzas_each()
        delays = trickle(crowd, lines, fan_out, min(opts.seconds, 5))
    return {
        "cpu": cpu * 10_000 / deliveries, "deliveries": deliveries, "rate": deliveries / took,
        "memory": memory, "median": delays[len(delays) // 2], "p99": delays[len(delays) * 99 // 100],
        **counted,
    }


def flood(crowd, lines, fan_out, seconds):
    """Full speed for so long; returns how many deliveries were counted."""
    before, end = crowd.heard(), time.monotonic() + seconds
    for line in lines:
        line.start()
    while time.monotonic() < end:
        for line in lines:
            line.talk()
        if not crowd.read(30):
            raise SystemExit("the server has stopped delivering")
    return arrive(crowd, lines, before, fan_out)


def trickle(crowd, lines, fan_out, seconds):
    """At most 20 messages and 1,000 deliveries a second; returns delays in seconds, sorted."""
    pause = max(1 / 20, fan_out / 1_000)
    crowd.delays, before = [], crowd.heard()
    for line in lines:
        line.start()
    start = time.monotonic()
    for number, line in zip(range(int(seconds / pause)), itertools.cycle(lines)):
        due = start + number * pause
        while (left := due - time.monotonic()) > 0:
            crowd.read(left)
        line.say(f"@{time.monotonic_ns()}@")
    arrive(crowd, lines, before, fan_out)
    delays, crowd.delays = sorted(crowd.delays), None
    return [delay / 1e9 for delay in delays]


def arrive(crowd, lines, before, fan_out):
    """All that was sent arrives, and nothing besides."""
    expected = before + fan_out * sum(line.sent for line in lines)
    crowd.read_until(lambda: crowd.heard() >= expected, lambda: missing(crowd, expected))
    crowd.quiet(0.2)
    if crowd.heard() != expected:
        raise SystemExit(f"{crowd.heard() - before} deliveries instead of {expected - before}")
    return expected - before


def missing(crowd, expected):
    deaf = [member.jid for member in crowd.members if not member.heard]
    return f"{expected - crowd.heard()} deliveries are missing; {len(deaf)} hear nothing: {deaf[:3]}"


def idle(opts):
    """A thousand sessions that say nothing, each of an account of its own."""
    process = Process(opts.pid)
    process.rest()
    before = process.memory()
    with Crowd(opts) as crowd:
        for number in range(opts.accounts):
            crowd.enter(f"u{number}", "first")
        crowd.quiet()
        time.sleep(2)
        memory = process.memory()
        cpu, start = process.cpu(), time.monotonic()
        time.sleep(3)
        busy = (process.cpu() - cpu) / (time.monotonic() - start)
    return {"memory": memory, "each": (memory - before) / opts.accounts, "busy": busy}


FLOWS = {"chat": chat, "room100": room(100), "room500": room(500), "rooms": rooms}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--domain", default="localhost")
    parser.add_argument("--pid", type=int, required=True, help="the server's process")
    parser.add_argument("--name", required=True, help="what the table calls the server")
    parser.add_argument("--metrics", metavar="ADDR", help="where the server shows its own figures")
    parser.add_argument("--accounts", type=int, default=1000, help="u0:u0, u1:u1 and so on")
    parser.add_argument("--register", action="store_true", help="make the accounts first")
    parser.add_argument("--flow", action="append", choices=["idle", *FLOWS])
    parser.add_argument("--seconds", type=float, default=8, help="of full speed per flow")
    parser.add_argument("--bound", type=float, help="CPU s per 10,000 deliveries that are well")
    parser.add_argument("--out", help="file to which a line of JSON is added per flow")
    opts = parser.parse_args()
    opts.rooms = f"rooms.{opts.domain}"
    if opts.register:
        register(opts, (f"u{number}" for number in range(opts.accounts)))
    for name in opts.flow or ["idle", *FLOWS]:
        found = idle(opts) if name == "idle" else measure(opts, FLOWS[name])
        found = {"server": opts.name, "flow": name, **found}
        print(found, flush=True)
        if opts.out:
            with open(opts.out, "a") as out:
                out.write(json.dumps(found) + "\n")
        if opts.bound and "cpu" in found:
            word = "ok  " if found["cpu"] <= opts.bound else "FAIL"
            print(f"{word} load: {name} costs {found['cpu']:.3f} server CPU s per 10,000 deliveries, "
                  f"at most {opts.bound}")


if __name__ == "__main__":
    main()
