"""Stands in an uplink and counts what crosses it: tap.py PORT TARGET-PORT FILE.

The counts lie in FILE, as a line of JSON that is written anew every tenth of a second.
"""
import asyncio
import json
import os
import sys

OURS = {"joins": b"<history", "out": b"</message>"}
THEIRS = {"messages": b"</message>", "presences": b"</presence>"}


async def carry(reader, writer, marks, counts):
    """Hands on what comes; a mark that is cut in two is found with its other half."""
    tail = b""
    keep = max(map(len, marks.values())) - 1
    while data := await reader.read(1 << 18):
        writer.write(data)
        whole = tail + data
        for name, mark in marks.items():
            counts[name] += whole.count(mark, max(0, len(tail) - len(mark) + 1))
        tail = whole[-keep:]
        await writer.drain()
    writer.close()


async def main(port, target, file):
    counts = dict.fromkeys([*OURS, *THEIRS], 0)

    async def serve(reader, writer):
        try:
            there, back = await asyncio.open_connection("127.0.0.1", target)
        except OSError:
            return writer.close()
        await asyncio.gather(
            carry(reader, back, OURS, counts), carry(there, writer, THEIRS, counts),
            return_exceptions=True)

    async with await asyncio.start_server(serve, "127.0.0.1", port):
        while True:
            with open(f"{file}.new", "w") as new:
                json.dump(counts, new)
            os.replace(f"{file}.new", file)
            await asyncio.sleep(0.1)


asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))
