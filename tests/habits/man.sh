#!/bin/sh
# The man pages are well formed.
command -v mandoc >/dev/null || { echo "mandoc is not installed"; exit 77; }
exec mandoc -T lint -W warning man/*.[0-9]
