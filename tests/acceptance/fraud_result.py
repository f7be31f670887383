#!/usr/bin/env python3
"""Compares what configs/fraud made of transactions with an independent computation.

usage: fraud_result.py TRANSACTIONS ALERTS PASSED [--broken LIST --dead-letters FILE]

For each account the alerts and the passed orders have to be exactly those of a computation in this
program, in the order of the input. --broken: the lines that LIST names are no orders, and exactly
they, with those reasons, have to be the dead letters.
"""
import argparse
import json
import sys

LIMIT = 1000.0
FIELDS = ("id", "account", "amount", "currency", "note")


def rows(path):
    with open(path, "rb") as file:
        for line in file:
            yield json.loads(line)


def expected(path, broken):
    spent, alerts, passed = {}, {}, {}
    with open(path, "rb") as file:
        for number, line in enumerate(file, 1):
            if number in broken:
                continue
            order = json.loads(line)
            account = order["account"]
            total = spent[account] = spent.get(account, 0.0) + order["amount"]
            if total > LIMIT:
                alerts.setdefault(account, []).append((order["id"], account, total, "amount"))
            else:
                passed.setdefault(account, []).append(tuple(order.get(f) for f in FIELDS))
    return alerts, passed


def grouped(path, fields):
    found = {}
    for row in rows(path):
        if tuple(row) != fields:
            sys.exit(f"{path}: fields {tuple(row)}, expected {fields}")
        found.setdefault(row["account"], []).append(tuple(row.values()))
    return found


def compare(what, want, found):
    if want == found:
        return
    for account in sorted(set(want) | set(found)):
        w, f = want.get(account, []), found.get(account, [])
        if w != f:
            how = "in another order" if sorted(map(str, w)) == sorted(map(str, f)) else ""
            sys.exit(f"{what} of account {account}: {how}\nexpected {w[:5]}...\nfound    {f[:5]}...\n"
                     f"{len(w)} expected, {len(f)} found")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("transactions")
    parser.add_argument("alerts")
    parser.add_argument("passed")
    parser.add_argument("--broken")
    parser.add_argument("--dead-letters")
    args = parser.parse_args()
    broken = {r["line"]: r["reason"] for r in rows(args.broken)} if args.broken else {}
    alerts, passed = expected(args.transactions, broken)
    compare("alerts", alerts, grouped(args.alerts, ("id", "account", "spent", "reason")))
    compare("passed orders", passed, grouped(args.passed, FIELDS))
    if args.dead_letters:
        dead = [(r["line"], r["reason"]) for r in rows(args.dead_letters)]
        if sorted(dead) != sorted(broken.items()):
            missing = sorted(set(broken.items()) - set(dead))[:5]
            extra = sorted(set(dead) - set(broken.items()))[:5]
            sys.exit(f"dead letters: {len(dead)} of {len(broken)} expected; "
                     f"missing {missing}, unexpected {extra}")
    orders = sum(map(len, alerts.values())) + sum(map(len, passed.values()))
    if orders == 0 or not alerts:
        sys.exit("nothing was compared")
    print(f"{orders} orders of {len(set(alerts) | set(passed))} accounts, "
          f"{sum(map(len, alerts.values()))} alerts, {len(broken)} broken lines")


if __name__ == "__main__":
    main()
