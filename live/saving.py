"""Ten rooms of a peer, fifty accounts of ours in each, three clients of each account:
counts what the room service sends across the uplink, and what it costs both servers."""
import argparse
import json
import time

import load
from load_crowd import Crowd


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", required=True, help="what the table calls this run")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--domain", required=True)
    parser.add_argument("--rooms", required=True, help="the peer's room service")
    parser.add_argument("--pid", type=int, required=True, help="our server's process")
    parser.add_argument("--peer-pid", type=int, required=True)
    parser.add_argument("--counts", required=True, help="where the tap writes")
    parser.add_argument("--seconds", type=float, default=8, help="of full speed")
    parser.add_argument("--out", required=True, help="file to which a row of the table is added")
    opts = parser.parse_args()
    servers = load.Process(opts.pid), load.Process(opts.peer_pid)

    def costs():
        return [server.cpu() for server in servers]

    def counts():
        time.sleep(0.3)  # by then the tap has written
        with open(opts.counts) as counts:
            return json.load(counts)

    with Crowd(opts) as crowd:
        before = counts()
        lines, fan_out = load.rooms(crowd)
        joined = difference(counts(), before)
        load.flood(crowd, lines, fan_out, 1)  # warms up
        before, cpu = counts(), costs()
        deliveries = load.flood(crowd, lines, fan_out, opts.seconds)
        talked = difference(counts(), before)
        talking = [(now - then) * 10_000 / deliveries for now, then in zip(costs(), cpu)]
    said = deliveries // fan_out
    row = [opts.name, joined["joins"], joined["presences"],
           said, f"{talked['messages'] / said:.1f}", deliveries, *(f"{s:.3f}" for s in talking)]
    with open(opts.out, "a") as out:
        print("|", " | ".join(map(str, row)), "|", file=out)


def difference(now, then):
    return {name: now[name] - then[name] for name in now}


main()
