#!/usr/bin/env bash
# One round of the jobs of whole processes: the JSON filter (configs/filter) and what one would use
# in its place. One JSON line per figure: {"job", "peer", "unit", "value"}.
# usage: whole_process.sh LINES SMALL_LINES
# RINGK, JSON_FILTER (the hand-written peers): programs
set -euo pipefail
lines=$(realpath "$1") small=$(realpath "$2")
top=$(cd "$(dirname "$0")/../.." && pwd)
filter=$top/configs/filter/filter.yaml
chain=$top/tests/bench/chain.yaml
scratch=$(mktemp -d)
export XDG_RUNTIME_DIR=$scratch XDG_STATE_HOME=$scratch
trap '"$RINGK" stop filter --if-running >"$scratch/stopped" 2>&1 || true; rm -rf "$scratch"' EXIT
cd "$scratch"

report() {  # JOB PEER UNIT VALUE
  printf '{"job":"%s","peer":"%s","unit":"%s","value":%s}\n' "$@"
}

rate() {  # JOB PEER FILE COMMAND...: MB/s of the command from its start to its end
  local job=$1 peer=$2 file=$3 start end
  shift 3
  start=$(date +%s%N)
  "$@" <"$file" >/dev/null 2>errors || { cat errors >&2; exit 1; }
  end=$(date +%s%N)
  report "$job" "$peer" MB/s \
    "$(awk -v b="$(stat -Lc %s "$file")" -v ns=$((end - start)) 'BEGIN { printf "%.1f", b * 1e3 / ns }')"
}

job='select(.amount > 5000) | .amount *= 1.1'
rate "JSON filter, file in" ringkernel "$lines" "$RINGK" launch "$filter"
rate "JSON filter, file in" simdjson "$lines" "$JSON_FILTER" simdjson
rate "JSON filter, file in" "ringkernel, 1 worker" "$lines" "$RINGK" launch --workers 1 "$filter"
rate "JSON filter, file in" nlohmann "$small" "$JSON_FILTER" nlohmann
rate "JSON filter, file in" jq "$small" jq -c "$job"
rate "JSON filter, four kernels" ringkernel "$lines" "$RINGK" launch "$chain"
rate "JSON filter, four kernels" simdjson "$lines" "$JSON_FILTER" simdjson

between_pipes() { cat | "$@" | cat; }
rate "JSON filter, between pipes" ringkernel "$lines" between_pipes "$RINGK" launch "$filter"
rate "JSON filter, between pipes" simdjson "$lines" between_pipes "$JSON_FILTER" simdjson

"$RINGK" launch -d "$filter" --out kept=/dev/null 2>errors
rate "ringk send, all accepted" ringkernel "$lines" "$RINGK" send filter
"$RINGK" stop filter 2>errors
rate "ringk send, all accepted" simdjson "$lines" "$JSON_FILTER" simdjson

# To the first line that comes out; its handler is compiled already.
head -n 1 "$small" | sed 's/"amount":[0-9.]*/"amount":6000/' >one.jsonl
start=$(date +%s%N)
first=$("$RINGK" launch "$filter" <one.jsonl 2>errors | { head -n 1 >out; date +%s%N; cat >/dev/null; })
[ -s out ]
report "launch to first output, warm" ringkernel ms \
  "$(awk -v ns=$((first - start)) 'BEGIN { printf "%.1f", ns / 1e6 }')"
