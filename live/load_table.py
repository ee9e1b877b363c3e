"""Prints what `load.py` has written as a table, each figure beside its peers."""
import json
import sys

COLUMNS = [
    ("server CPU s per 10,000 deliveries", "cpu", lambda cpu: f"{cpu:.3f}"),
    ("deliveries per second", "rate", lambda rate: f"{rate:,.0f}"),
    ("delay, median ms", "median", lambda delay: f"{delay * 1e3:.2f}"),
    ("delay, p99 ms", "p99", lambda delay: f"{delay * 1e3:.2f}"),
    ("resident MB", "memory", lambda memory: f"{memory / 1e6:.0f}"),
    ("stanzas per write", "write", lambda stanzas: f"{stanzas:.1f}"),
    ("kB per session", "each", lambda each: f"{each / 1e3:.1f}"),
]


def main(path):
    with open(path) as lines:
        found = [json.loads(line) for line in lines]
    print("| flow | server | " + " | ".join(title for title, *_ in COLUMNS) + " |")
    print("|---|---|" + "--:|" * len(COLUMNS))
    for flow in dict.fromkeys(row["flow"] for row in found):
        for row in (row for row in found if row["flow"] == flow):
            cells = (show(row[key]) if key in row else "" for _, key, show in COLUMNS)
            print(f"| {flow} | {row['server']} | " + " | ".join(cells) + " |")


main(sys.argv[1])
