#!/usr/bin/env python3
"""plot.py RESULTS FOLDER: for every sweep and series the median, the least and the most at each x, in
FOLDER/SWEEP.SERIES.dat, as plot.gp draws them. RESULTS: JSON lines {"sweep", "x", "series", "unit",
"value"} of some rounds. The medians come on stdout too, as a table."""
import collections
import json
import pathlib
import statistics
import sys


def main():
    points = collections.defaultdict(list)
    for line in open(sys.argv[1]):
        r = json.loads(line)
        points[r["sweep"], r["series"], r["x"]].append(r["value"])
    files = collections.defaultdict(list)
    for (sweep, series, x), values in sorted(points.items()):
        row = (x, statistics.median(values), min(values), max(values))
        files[sweep, series].append(" ".join(f"{v:.6g}" for v in row))
    for (sweep, series), rows in files.items():
        name = f"{sweep}.{series.replace(',', '').replace(' ', '_')}"
        pathlib.Path(sys.argv[2], f"{name}.dat").write_text("\n".join(rows) + "\n")
        print(f"{sweep}, {series}: x, median, least, most", *rows, sep="\n  ")


main()
