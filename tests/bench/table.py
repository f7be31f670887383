#!/usr/bin/env python3
"""table.py RESULTS OUT.json: medians of every job, ours beside its peers, and the ratio to the one
that it is to be measured by: the median of the rounds' ratios, as both stand side by side in each.
RESULTS: JSON lines {"job", "peer", "unit", "value"}; the table comes on stdout, as Markdown, and
everything in OUT.json. REVISION and MACHINE from the environment."""
import collections
import json
import os
import statistics
import sys

US = "ringkernel"
# job: the peer to be compared with, and the ratio to reach (times as fast; for times and sizes: of
# the peer's at most). None: a figure of its own.
REACH = {
    "pipeline, source and 4 stages, 64 B": ("caf-0.17", 22),
    "fan-in 4 to 1, 64 B": ("caf-0.17", 11),
    "ping-pong": ("caf-0.17", 10),
    "ring of 100, one token": ("caf-0.17", 9),
    "create 10,000 and handle a first message": ("caf-0.17", 1),
    "queue 1P1C, 64 B": ("moodycamel-spsc", 1),
    "queue 2P1C, 64 B": ("moodycamel-mpmc", 3),
    "queue 4P1C, 64 B": ("moodycamel-mpmc", 3),
    "call round trip, 64 B, p50": ("moodycamel-spsc", 3),
    "JSON filter, file in": ("simdjson", 0.8),
    "JSON filter, four kernels": ("simdjson", 0.6),
    "JSON filter, between pipes": ("simdjson", 1),
    "ringk send, all accepted": ("simdjson", 0.5),
    "idle kernel, default queues": (None, 4096),
    "launch to first output, warm": (None, 30),
}
# Whose figure stands under another job's name.
MEASURED_AS = {("call round trip, 64 B, p50", "moodycamel-spsc"): "round trip between two threads, 64 B"}
SMALLER_IS_BETTER = {"us", "us/actor", "bytes", "ms", "% of a core"}


def short(value):
    for limit, unit in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if value >= limit:
            return f"{value / limit:.3g}{unit}"
    return f"{value:.3g}"


def main():
    values = collections.OrderedDict()
    for line in open(sys.argv[1]):
        r = json.loads(line)
        values.setdefault((r["job"], r["peer"], r["unit"]), []).append(r["value"])
    of = {(job, peer): v for (job, peer, _), v in values.items()}
    rows = []
    for (job, peer, unit), v in values.items():
        if peer != US:
            continue
        other, reach = REACH.get(job, (None, None))
        theirs = of.get((MEASURED_AS.get((job, other), job), other)) if other else None
        row = {"job": job, "unit": unit, "median": statistics.median(v), "least": min(v),
               "most": max(v), "rounds": len(v), "peer": other, "reach": reach,
               "peer_median": statistics.median(theirs) if theirs else None}
        if theirs:
            ratios = [ours / its for ours, its in zip(v, theirs)]
            row |= {"ratio": statistics.median(ratios), "ratio_least": min(ratios),
                    "ratio_most": max(ratios)}
        rows.append(row)
    print("| job | RingKernel, median (least to most) | peer | ratio | to reach |")
    print("|---|---|---|---|---|")
    for row in rows:
        unit, peer, ratio, reach = row["unit"], "", "", ""
        ours = f"{short(row['median'])} ({short(row['least'])} to {short(row['most'])}) {unit}"
        if row["peer_median"]:
            peer = f"{row['peer']} {short(row['peer_median'])}"
            ratio = f"{row['ratio']:.3g} ({row['ratio_least']:.2g} to {row['ratio_most']:.2g})"
        if row["reach"]:
            sign = "at most " if unit in SMALLER_IS_BETTER else ""
            reach = f"{sign}{row['reach']}" + ("" if row["peer"] else f" {unit}")
        print(f"| {row['job']} | {ours} | {peer} | {ratio} | {reach} |")
    everything = [{"job": job, "peer": peer, "unit": unit, "median": statistics.median(v), "values": v}
                  for (job, peer, unit), v in values.items()]
    with open(sys.argv[2], "w") as out:
        json.dump({"schema": "ringk.jobs/1", "revision": os.environ.get("REVISION"),
                   "machine": os.environ.get("MACHINE"), "table": rows, "results": everything}, out,
                  indent=1)


main()
