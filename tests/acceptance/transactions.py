#!/usr/bin/env python3
"""Transactions with exactly the fields of configs/fraud's Order, as JSON lines on stdout.

usage: transactions.py LINES [--broken FRACTION --list FILE] [--accounts N] [--seed N]

The same arguments give the same bytes. --broken: that share of the lines is no Order; FILE then
gets a JSON line for each, {"line": N, "reason": R}, as its dead letter has to say.
"""
import argparse
import json
import random
import sys

CURRENCIES = (b"USD", b"EUR", b"GBP", b"CHF", b"JPY")
NOTES = (b"", b',"note":null', b',"note":"rent"', ',"note":"caf\u00e9 \u2615"'.encode(),
         b',"note":"a \\"b\\" \\\\ \\u00e9"')
ORDER = b'{"id":%d,"account":%d,"amount":%.2f,"currency":"%s"%s}'

# One way each to be no Order, made of an order's parts, with the reason that the dead letter gives.
BROKEN = (
    ("not_json", lambda *parts: (ORDER % parts)[:-1]),
    ("not_json", lambda *parts: b'{"id" %d,"account":%d,"amount":%.2f,"currency":"%s"%s}' % parts),
    ("not_an_object", lambda *parts: b"[" + ORDER % parts + b"]"),
    ("missing_field", lambda i, a, m, c, n: b'{"id":%d,"account":%d,"currency":"%s"%s}' % (i, a, c, n)),
    ("unknown_field", lambda *parts: (ORDER % parts)[:-1] + b',"kind":1}'),
    ("repeated_field", lambda *parts: (ORDER % parts)[:-1] + b',"id":1}'),
    ("wrong_type", lambda *parts: b'{"id":%d,"account":%d,"amount":"%.2f","currency":"%s"%s}' % parts),
    ("out_of_range", lambda i, a, m, c, n: ORDER % (i, -a, m, c, n)),
    ("out_of_range", lambda i, a, m, c, n: ORDER % (i, 2**32 + a, m, c, n)),
    ("string_too_long", lambda i, a, m, c, n: ORDER % (i, a, m, b"X" + c, n)),
    ("bad_utf8", lambda i, a, m, c, n: ORDER % (i, a, m, b"\xff", n)),
    ("two_documents", lambda *parts: ORDER % parts + b" " + ORDER % parts),
)


def order(rng, line, accounts):
    """id, account, amount, currency and the note with its comma."""
    return (10**15 + line, rng.randrange(1, accounts + 1), rng.random() * 100,
            CURRENCIES[rng.randrange(5)], NOTES[rng.randrange(5)])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("lines", type=int)
    parser.add_argument("--broken", type=float, default=0)
    parser.add_argument("--list")
    parser.add_argument("--accounts", type=int, default=50_000)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    rng = random.Random(args.seed)
    listed = open(args.list, "w", encoding="ascii") if args.list else None
    out = sys.stdout.buffer
    batch = []
    broken = 0
    for line in range(1, args.lines + 1):
        parts = order(rng, line, args.accounts)
        if args.broken and rng.random() < args.broken:
            reason, spoil = BROKEN[broken % len(BROKEN)]
            broken += 1
            batch.append(spoil(*parts))
            if listed:
                listed.write(json.dumps({"line": line, "reason": reason}) + "\n")
        else:
            batch.append(ORDER % parts)
        if len(batch) == 10_000:
            out.write(b"\n".join(batch) + b"\n")
            batch.clear()
    if batch:
        out.write(b"\n".join(batch) + b"\n")


if __name__ == "__main__":
    main()
