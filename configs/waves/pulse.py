#!/usr/bin/env python3
"""pulse.py [N]: a smooth bump in the middle of a membrane of N x N, as a .npy file of float32."""
import math
import struct
import sys

n = int(sys.argv[1]) if len(sys.argv) > 1 else 32
header = "{'descr': '<f4', 'fortran_order': False, 'shape': (%d, %d), }" % (n, n)
header += " " * (-(10 + len(header) + 1) % 64) + "\n"
out = sys.stdout.buffer
out.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode())
for i in range(n):
    for j in range(n):
        distance = math.hypot(i - n // 2, j - n // 2) / (n / 4)
        height = (1 + math.cos(math.pi * distance)) / 2 if distance < 1 else 0.0
        out.write(struct.pack("<f", height))
