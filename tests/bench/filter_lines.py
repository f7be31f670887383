#!/usr/bin/env python3
"""filter_lines.py MEGABYTES: the transactions of configs/filter as JSON lines, about 137 bytes each,
from a fixed seed."""
import random
import sys

CURRENCIES = (b"USD", b"EUR", b"GBP", b"CHF", b"JPY")
LINE = b'{"id":%d,"account":%d,"amount":%.2f,"currency":"%s","ts":%d,"merchant":"m%05d","status":"ok"}\n'

left = int(sys.argv[1]) * 1_000_000
rng = random.Random(42)
row, time_ns = 10**15, 1_760_000_000_000_000_000
while left > 0:
    batch = []
    for _ in range(10_000):
        row += 1
        time_ns += rng.randrange(1000, 2_000_000)
        batch.append(LINE % (row, rng.randrange(1, 2**32), rng.random() * 10000,
                             CURRENCIES[rng.randrange(5)], time_ns, rng.randrange(100_000)))
    text = b"".join(batch)
    sys.stdout.buffer.write(text)
    left -= len(text)
