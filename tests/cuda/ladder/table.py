#!/usr/bin/env python3
"""table.py RESULTS [OUT.json]: the ladder's JSON lines as a Markdown table, a row for each job:
RingKernel, what one would use in its place, and the ratio to the best of these."""
import collections
import json
import sys

US = "ringkernel"
SMALLER_IS_BETTER = ("us", "us per round trip", "times as long", "W", "B/s")


def short(value):
    for limit, unit in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if value >= limit:
            return f"{value / limit:.3g}{unit}"
    return f"{value:.3g}"


def main():
    jobs = collections.OrderedDict()
    for line in open(sys.argv[1]):
        result = json.loads(line)
        jobs.setdefault((result["job"], result["unit"]), {})[result["peer"]] = result["value"]
    rows = []
    print("| job | RingKernel | in its place | ratio to the best |")
    print("|---|---|---|---|")
    for (job, unit), values in jobs.items():
        ours = values.pop(US, None)
        best, ratio = None, ""
        if values:
            best = (min if unit in SMALLER_IS_BETTER else max)(values, key=values.get)
        if best and ours:
            ratio = f"{ours / values[best]:.3g}"
        peers = "; ".join(f"{peer} {short(value)}" for peer, value in values.items())
        print(f"| {job} | {'' if ours is None else short(ours) + ' ' + unit} | {peers} | {ratio} |")
        rows.append({"job": job, "unit": unit, "ringkernel": ours, "peers": values, "best": best})
    if len(sys.argv) > 2:
        with open(sys.argv[2], "w") as out:
            json.dump({"schema": "ringk.gpu-ladder/1", "table": rows}, out, indent=1)


main()
