"""What every live check shares: the options, the runner, the report.

A script declares its checks in order; each has a sentence and a limit of time.
One line per check goes to standard output, `ok`, `FAIL` or `skip`; a failure is
followed by its reason and by the last stanzas that each party saw.
"""
import argparse
import asyncio
import collections
import inspect
import signal
import sys
import traceback

LIMIT = 30  # seconds for one check, unless it says more; every wait inside is shorter
CHECKS = []


def check(sentence, needs=None, limit=LIMIT):
    """Declares a check. One that `needs` a word is skipped with `--lacks WORD`."""
    def declare(function):
        CHECKS.append((sentence, needs, limit, function))
        return function
    return declare


def options(description, more=lambda parser: None):
    """What every script is told; `more` adds what only some are."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=5222)
    parser.add_argument("--domain", default="localhost")
    parser.add_argument("--rooms", help="domain of the rooms (default: rooms.DOMAIN)")
    parser.add_argument("--account", action="append", metavar="NAME:PASSWORD",
                        help="alice's and bob's, in this order (default: alice:alice bob:bob)")
    parser.add_argument("--lacks", action="append", default=[], metavar="WORD",
                        help="skip the checks that need WORD")
    parser.add_argument("--pid", type=int, help="the server's process, to watch its memory")
    parser.add_argument("--only", metavar="WORD", help="run checks whose sentence has WORD")
    more(parser)
    parsed = parser.parse_args()
    parsed.rooms = parsed.rooms or f"rooms.{parsed.domain}"
    accounts = parsed.account or ["alice:alice", "bob:bob"]
    parsed.alice, parsed.bob = (tuple(account.split(":", 1)) for account in accounts)
    return parsed


class Log:
    """The last stanzas that one party sent and received, oldest first."""
    parties = []
    screens = []  # what else to show: functions that return text

    def __init__(self, name):
        self.name = name
        self.lines = collections.deque(maxlen=40)
        Log.parties.append(self)

    def note(self, direction, xml):
        text = xml if isinstance(xml, str) else xml.decode("utf-8", "backslashreplace")
        self.lines.append(f"{direction} {text[:2000]}")

    @classmethod
    def mark(cls):
        for party in cls.parties:
            party.lines.append("-- here the failed check began --")

    @classmethod
    def unmark(cls):
        for party in cls.parties:
            party.lines.clear()

    @classmethod
    def show(cls):
        for party in cls.parties:
            for line in party.lines if len(party.lines) > 1 else ():
                print(f"     {party.name} {line}")
        for screen in cls.screens:
            print(screen())


def run(script, opts, setup=None, teardown=None):
    """Runs the declared checks and exits: 0 if none failed."""
    # Told to end, by a limit of time: still clean up what was started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(asyncio.run(run_all(script, opts, setup, teardown)))


async def run_all(script, opts, setup, teardown):
    failed = 0
    world = None
    try:
        if setup is not None:
            ok, world = await one(script, "the parties log in", setup, opts, 2 * LIMIT)
            if not ok:
                return 1
        for sentence, needs, limit, function in CHECKS:
            if opts.only and opts.only not in sentence:
                continue
            if needs in opts.lacks:
                print(f"skip {script}: {sentence} (the server lacks {needs})", flush=True)
                continue
            argument = opts if world is None else world
            ok, _ = await one(script, sentence, function, argument, limit)
            failed += not ok
    finally:
        if teardown is not None and world is not None:
            await asyncio.wait_for(teardown(world), LIMIT)
    return 1 if failed else 0


async def one(script, sentence, function, argument, limit=LIMIT):
    Log.unmark()
    Log.mark()
    try:
        result = function(argument)
        if inspect.isawaitable(result):
            result = await asyncio.wait_for(result, limit)
    except Exception as error:  # whatever it is, it is this check's failure
        print(f"FAIL {script}: {sentence}", flush=True)
        print(f"     {type(error).__name__}: {error}")
        print(f"     {place(error)}")
        Log.show()
        sys.stdout.flush()
        return False, None
    print(f"ok   {script}: {sentence}", flush=True)
    return True, result


def place(error):
    """The line of the check's own script that failed."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if "/live/" in f.filename]
    return "\n     ".join(f"{f.filename.rsplit('/', 1)[1]}:{f.lineno}: {f.line}" for f in frames[1:])
