#!/usr/bin/env python3
"""What a client sees when the server is told to end (SIGTERM to --pid)."""
import os
import signal

import check
from check import check as proves
from stream import Stream


@proves("a server told to end says so to every client and closes in order")
def told_to_end(opts):
    with Stream(opts).login(opts.alice, "last") as alice, \
            Stream(opts).login(opts.bob, "last") as bob:
        os.kill(opts.pid, signal.SIGTERM)
        for client in (alice, bob):
            client.stream_error("system-shutdown")


@proves("it accepts no more connections")
def no_more(opts):
    try:
        Stream(opts, "late").socket.close()
    except ConnectionError:
        return
    raise AssertionError("a connection was accepted after the end")


if __name__ == "__main__":
    check.run("shutdown", check.options(__doc__))
