#!/usr/bin/env python3
"""Adds up a status document of `ringk`: every message is counted where it ends.

usage: balance.py FILE [name=value ...]     totals that have to have these values
"""
import json
import sys


def total(items, name):
    return sum(item[name] for item in items)


def mistakes(status):
    edges = status["edges"]

    def out_of(node):
        return [e for e in edges if e["id"].split(":")[0].split(".")[0] == node]

    def into(node):
        return [e for e in edges if e["id"].split(":")[1] == node]

    def equal(what, left, right):
        if left != right:
            yield f"{what}: {left} != {right}"

    for i in status["inputs"]:
        yield from equal(f"input {i['name']}: lines, accepted + bad", i["lines"],
                         i["accepted"] + i["bad"])
        wires = out_of(i["name"])
        yield from equal(f"input {i['name']}: accepted x wires, offered",
                         i["accepted"] * len(wires), total(wires, "offered"))
    for e in edges:
        yield from equal(f"edge {e['id']}: offered, delivered + dropped + failed + depth", e["offered"],
                         e["delivered"] + e["dropped"] + e["failed"] + e["depth"])
    for k in status["kernels"]:
        yield from equal(f"kernel {k['name']}: delivered, handled + failed + in hand", k["delivered"],
                         k["handled"] + k["failed"] + k["in_hand"])
        yield from equal(f"kernel {k['name']}: delivered, that of its edges", k["delivered"],
                         total(into(k["name"]), "delivered"))
        yield from equal(f"kernel {k['name']}: emitted, offered on its edges", k["emitted"],
                         total(out_of(k["name"]), "offered"))
    for o in status["outputs"]:
        yield from equal(f"output {o['name']}: delivered, written + failed + pending", o["delivered"],
                         o["written"] + o["failed"] + o["pending"])
        yield from equal(f"output {o['name']}: delivered, that of its edges", o["delivered"],
                         total(into(o["name"]), "delivered"))
    r = status.get("requests")
    if r:
        yield from equal("requests", r["sent"], r["replied"] + r["failed"] + r["no_reply"] +
                         r["timed_out"] + r["pending"])
    t = status["totals"]
    for name, part in (("lines", "inputs"), ("bad", "inputs"), ("handled", "kernels"),
                       ("emitted", "kernels"), ("written", "outputs")):
        yield from equal(f"totals.{name}", t[name], total(status[part], name))
    yield from equal("totals.dropped", t["dropped"], total(edges, "dropped"))
    if not status["balanced"]:
        yield "it says itself that it is not balanced"


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        status = json.load(file)
    found = list(mistakes(status))
    for argument in sys.argv[2:]:
        name, value = argument.split("=")
        if status["totals"][name] != int(value):
            found.append(f"totals.{name}: {status['totals'][name]}, expected {value}")
    if found:
        sys.exit("\n".join([f"{sys.argv[1]}:"] + found))


if __name__ == "__main__":
    main()
