#!/usr/bin/env bash
# Measures every job beside its peers, in rounds, on an otherwise quiet machine: a table on stdout,
# everything in build/bench.json. Peers are built where their packages are (install-deps.sh bench).
# With --plot instead: how throughput changes with payload, kernels, blocks, queues and message
# types, and latency with the load, drawn in tests/bench/plots/; the medians on stdout.
# usage: bench.sh [--plot] [ROUNDS]      15 where it is not given; MEGABYTES of JSON per run: 200
set -euo pipefail
cd "$(dirname "$0")/.."
plot=false
if [ "${1:-}" = --plot ]; then
  plot=true
  shift
fi
rounds=${1:-15} megabytes=${MEGABYTES:-200}

scripts/install-deps.sh bench
cmake --preset release -DRINGKERNEL_BENCHMARKS=ON >/dev/null
REVISION=$(git describe --always --dirty 2>/dev/null || echo unknown)
MACHINE="$(nproc) x $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1)"
export REVISION MACHINE
export RINGK=$PWD/build/apps/ringk/ringk
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

if $plot; then
  cmake --build build --target ringk ringkernel_sweep_bench >&2
  fraud=configs/fraud/fraud.yaml
  "$RINGK" bench "$fraud" --size 1000 >"$scratch/compiled"
  for ((round = 1; round <= rounds; round++)); do
    echo "round $round of $rounds" >&2
    build/tests/bench/ringkernel_sweep_bench
    "$RINGK" bench "$fraud" --json 2>"$scratch/errors" | jq -c '.phases[1:][] |
      (.name | rtrimstr("%") | tonumber) as $x | .latency_us |
      {p50, p99, "p99.9": .p999} | to_entries[] |
      {sweep: "load", x: $x, series: .key, unit: "us", value}'
  done >"$scratch/results.jsonl"
  tests/bench/plot.py "$scratch/results.jsonl" "$scratch"
  mkdir -p tests/bench/plots
  heading="Revision $REVISION on $MACHINE: medians of $rounds rounds, least and most as bars"
  gnuplot -e "folder='$scratch'; picture='tests/bench/plots/throughput.svg'; heading='$heading'" \
    tests/bench/plot.gp
  exit
fi

cmake --build build --target ringk ringkernel_engine_bench >&2
targets=$(cmake --build build --target help | grep -o 'ringkernel_peer_[a-z_]*' | sort -u)
# shellcheck disable=SC2086
cmake --build build --target $targets >&2

tests/bench/filter_lines.py "$megabytes" >"$scratch/lines.jsonl"
head -n 100000 "$scratch/lines.jsonl" >"$scratch/small.jsonl"
export JSON_FILTER=$PWD/build/tests/bench/ringkernel_peer_json_filter
# What comes out is right before it is fast; jq 1.6 rounds the long integers of `ts`.
same='[.id, .account, (.amount * 1e6 | round), .currency, .merchant, .status]'
head -n 2000 "$scratch/small.jsonl" >"$scratch/few.jsonl"
for topology in "$PWD/configs/filter/filter.yaml" "$PWD/tests/bench/chain.yaml"; do
  diff <("$RINGK" launch "$topology" <"$scratch/few.jsonl" 2>/dev/null | jq -c "$same") \
    <(jq -c 'select(.amount > 5000) | .amount *= 1.1' "$scratch/few.jsonl" | jq -c "$same") >&2
done

for ((round = 1; round <= rounds; round++)); do
  echo "round $round of $rounds" >&2
  {
    # Each job beside its peers, since the machine's speed changes within seconds.
    for job in idle pipeline fan-in ping-pong ring create call spsc mpmc; do
      build/tests/bench/ringkernel_engine_bench "$job"
      for peer in actors_caf queues; do
        [ ! -x "build/tests/bench/ringkernel_peer_$peer" ] ||
          "build/tests/bench/ringkernel_peer_$peer" "$job"
      done
    done
    tests/bench/whole_process.sh "$scratch/lines.jsonl" "$scratch/small.jsonl"
  } >>"$scratch/results.jsonl"
done

echo "Revision $REVISION on $MACHINE, medians of $rounds rounds."
echo
tests/bench/table.py "$scratch/results.jsonl" build/bench.json
