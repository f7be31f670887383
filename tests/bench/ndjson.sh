#!/usr/bin/env bash
# The NDJSON job, whole processes: configs/filter and what one would use in its place, in turns on
# the same file; one JSON line per figure, medians in MB/s, and the ratio to each peer.
#
# usage: ndjson.sh [NAME=COMMAND...]     further peers; COMMAND reads stdin and writes stdout
# RINGK (build/apps/ringk/ringk), MEGABYTES (200), SMALL_MEGABYTES (20, for jq), RUNS (5)
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
ringk=${RINGK:-$top/build/apps/ringk/ringk}
megabytes=${MEGABYTES:-200} small_megabytes=${SMALL_MEGABYTES:-20} runs=${RUNS:-5}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch"
export XDG_RUNTIME_DIR=$scratch

"$top/tests/bench/filter_lines.py" "$megabytes" >lines.jsonl
"$top/tests/bench/filter_lines.py" "$small_megabytes" >small.jsonl
job='select(.amount > 5000) | .amount *= 1.1'

whole() {  # NAME FILE COMMAND...: appends the MB/s of one run to figures/NAME
  local name=$1 file=$2 start end
  shift 2
  start=$(date +%s%N)
  "$@" <"$file" >/dev/null 2>"$name.err" || { cat "$name.err" >&2; exit 1; }
  end=$(date +%s%N)
  awk -v b="$(stat -c %s "$file")" -v ns=$((end - start)) 'BEGIN { print b * 1e3 / ns }' >>"figures/$name"
}

# The same answer first, numbers compared as numbers; jq 1.6 rounds the long integers of `ts`.
same='[.id, .account, (.amount * 1e6 | round), .currency, .merchant, .status]'
head -n 2000 small.jsonl >few.jsonl
diff <("$ringk" launch "$top/configs/filter/filter.yaml" <few.jsonl 2>/dev/null | jq -c "$same") \
  <(jq -c "$job" few.jsonl | jq -c "$same") >&2

mkdir figures
for ((i = 0; i < runs; i++)); do
  whole ringk lines.jsonl "$ringk" launch "$top/configs/filter/filter.yaml"
  whole ringk-one-worker lines.jsonl "$ringk" launch --workers 1 "$top/configs/filter/filter.yaml"
  whole jq small.jsonl jq -c "$job"
  for peer in "$@"; do
    # shellcheck disable=SC2086
    whole "${peer%%=*}" lines.jsonl ${peer#*=}
  done
done

median() { sort -g "figures/$1" | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
ours=$(median ringk)
revision=$(git -C "$top" describe --always --dirty 2>/dev/null || echo unknown)
machine="$(nproc) x $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1)"
for name in $(ls figures); do
  jq -n -c --arg name "$name" --argjson value "$(median "$name")" --argjson ours "$ours" \
    --arg revision "$revision" --arg machine "$machine" --argjson runs "$runs" \
    '{job: "NDJSON filter", name: $name, unit: "MB/s", median: ($value * 10 | round / 10),
      ringk_is: ($ours / $value * 100 | round / 100), runs: $runs, revision: $revision, machine: $machine}'
done
