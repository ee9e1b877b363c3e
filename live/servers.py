"""Servers that a script starts, kills and starts again in the midst of a dialogue."""
import asyncio
import ctypes
import shlex
import signal
import subprocess

PATIENCE = 60  # seconds for a server to come up


class Server:
    """One server at a port. It ends with this script, however that ends."""

    def __init__(self, name, command, port, log, ready=None):
        self.name, self.command, self.port, self.ready = name, command, port, ready
        self.log = log
        self.process = None

    async def start(self, command=None):
        """Returns once it accepts connections, and has said that it is ready if it says so."""
        with open(self.log, "ab") as log:
            begins = log.tell()
            self.process = subprocess.Popen(
                shlex.split(command or self.command), stdin=subprocess.DEVNULL,
                stdout=log, stderr=subprocess.STDOUT, preexec_fn=end_with_parent)
        for _ in range(PATIENCE * 10):
            if self.process.poll() is not None:
                break
            if await self.accepts() and self.has_said(begins):
                return self
            await asyncio.sleep(0.1)
        raise AssertionError(f"{self.name} does not come up: {open(self.log).read()[begins:]}")

    async def accepts(self):
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            return False
        writer.close()
        return True

    def has_said(self, begins):
        with open(self.log, encoding="utf-8", errors="replace") as log:
            log.seek(begins)
            return not self.ready or self.ready in log.read()

    def kill(self):
        """SIGKILL: it has no chance to say goodbye."""
        self.process.kill()
        self.process.wait()

    async def stop(self):
        """SIGTERM; returns its status, or kills it if it takes too long."""
        self.process.send_signal(signal.SIGTERM)
        for _ in range(200):
            if self.process.poll() is not None:
                break
            await asyncio.sleep(0.1)
        else:
            self.kill()
        return self.process.returncode


def end_with_parent():
    # prctl(PR_SET_PDEATHSIG, SIGKILL)
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
