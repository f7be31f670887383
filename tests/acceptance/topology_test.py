#!/usr/bin/env python3
"""Gives a copy of configs/fraud/fraud.yaml one big test in place of its own.

usage: topology_test.py FRAUD_YAML TRANSACTIONS > YAML

The transactions are sent, and every alert and passed order is expected with every field. A test
compares in any order; since each alert holds the sum before it, an account out of order shows.
"""
import json
import sys

text = open(sys.argv[1], encoding="utf-8").read()
head = text[:text.index("\ntests:")]
spent, alerts, passed, orders = {}, [], [], []
for line in open(sys.argv[2], encoding="utf-8"):
    order = json.loads(line)
    orders.append(order)
    account = order["account"]
    spent[account] = spent.get(account, 0.0) + order["amount"]
    if spent[account] > 1000:
        alerts.append({"id": order["id"], "account": account, "spent": spent[account],
                       "reason": "amount"})
    else:
        passed.append(order)


def rows(indent, items):
    return "".join(f"\n{indent}- {json.dumps(item, ensure_ascii=False)}" for item in items)


assert alerts and passed
print(f"""{head}
tests:
  - name: {len(orders)} transactions
    within: 60s
    send:
      orders:{rows("        ", orders)}
    expect:
      alerts:{rows("        ", alerts)}
      passed:{rows("        ", passed)}""")
