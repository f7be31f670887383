#!/usr/bin/env python3
"""The lines of a file by account, in their order, byte for byte: what has to be equal between runs
that share the work differently.

usage: per_account.py FILE
"""
import re
import sys

ACCOUNT = re.compile(rb'"account":(\d+)')
lines = {}
with open(sys.argv[1], "rb") as file:
    for line in file:
        lines.setdefault(int(ACCOUNT.search(line).group(1)), []).append(line)
for account in sorted(lines):
    sys.stdout.buffer.writelines(lines[account])
