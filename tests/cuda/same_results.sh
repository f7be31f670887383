#!/usr/bin/env bash
# Runs every topology of configs/ on the CPU and on the GPU with the same input, and compares what
# they write: per key byte for byte, and all of it as a multiset. Needs no more than a shell, and
# python3 for more input. One line per topology; 1: one differs.
# usage: same_results.sh RINGK SOURCE [TOPOLOGY...]      LINES of orders: 20000
set -uo pipefail
ringk=$1 source=$2
shift 2
wanted=("$@")
export LC_ALL=C
golden=$source/tests/golden
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export XDG_STATE_HOME=$scratch/state XDG_RUNTIME_DIR=$scratch/run
mkdir -p -m 700 "$XDG_STATE_HOME" "$XDG_RUNTIME_DIR"
failed=0 compared=()

fails() {  # NAME WHY [FILE]: the first of the file's lines follow
  failed=1
  echo "$1: $2"
  [ $# -lt 3 ] || head -n 10 "$3" | cut -c 1-200
}

run() {  # BACKEND NAME INPUT ARGS...: in a folder of its own
  local backend=$1 name=$2 input=$3
  shift 3
  mkdir -p "$scratch/$backend"
  rm -rf "${scratch:?}/$backend/$name"
  cp -r "$source/configs/$name" "$scratch/$backend/"
  (cd "$scratch/$backend/$name" &&
    RINGK_BACKEND=$backend timeout 60 "$ringk" launch "$name.yaml" --summary summary.json "$@" \
      <"$input" >out 2>err)
}

by_key() {  # FIELD FILE: its lines by that field's value, each value's in their order
  awk -v field="\"$1\":" '{
    at = index($0, field)
    rest = substr($0, at + length(field))
    match(rest, /^("[^"]*"|[^,}]*)/)
    print substr(rest, 1, RLENGTH) "\t" $0 }' "$2" | sort -s -t "$(printf '\t')" -k 1,1
}

# compare NAME INPUT ARGS... -- FILE:KEY...; a KEY of - : all bytes, * : any order
compare() {
  local name=$1 input=$2 cpu=$scratch/cpu/$1 cuda=$scratch/cuda/$1 code file key spec
  local args=() codes=()
  shift 2
  [ ${#wanted[@]} = 0 ] || [[ " ${wanted[*]} " == *" $name "* ]] || return 0
  compared+=("$name")
  while [ "$1" != -- ]; do args+=("$1"); shift; done
  shift
  if ! (cd "$source/configs/$name" && RINGK_BACKEND=cuda timeout 60 "$ringk" test "$name.yaml") \
    >"$scratch/own" 2>&1; then
    fails "$name" "its own tests fail on the GPU" "$scratch/own"
    return
  fi
  for backend in cpu cuda; do
    run $backend "$name" "$input" "${args[@]}"
    codes+=($?)
  done
  if [ "${codes[0]}" != "${codes[1]}" ]; then
    fails "$name" "exit ${codes[1]} on the GPU, ${codes[0]} on the CPU" "$cuda/err"
    return
  fi
  if ! grep -q '"backend": *"cuda"' "$cuda/summary.json"; then
    fails "$name" "no kernel of it ran on the GPU" "$cuda/err"
    return
  fi
  for spec in "$@"; do
    file=${spec%:*} key=${spec##*:}
    if [ ! -s "$cpu/$file" ]; then
      fails "$name" "the CPU wrote no $file" "$cpu/err"
      return
    fi
    case $key in
      -) cmp -s "$cpu/$file" "$cuda/$file" ;;
      '*') cmp -s <(sort "$cpu/$file") <(sort "$cuda/$file") ;;
      *) cmp -s <(sort "$cpu/$file") <(sort "$cuda/$file") &&
        cmp -s <(by_key "$key" "$cpu/$file") <(by_key "$key" "$cuda/$file") ;;
    esac
    code=$?
    if [ $code != 0 ]; then
      diff <(sort "$cpu/$file") <(sort "$cuda/$file") >"$scratch/diff"
      fails "$name" "$file differs, by $key" "$scratch/diff"
      return
    fi
  done
  echo "$name: the same on both"
}

if command -v python3 >/dev/null; then
  python3 "$source/tests/acceptance/transactions.py" "${LINES:-20000}" --accounts 500 \
    >"$scratch/orders.jsonl"
else
  cp "$source/configs/fraud/orders.jsonl" "$scratch/orders.jsonl"
fi
sed 's/^\[//; s/\]$//; s/},{/}\n{/g' "$source/tests/data/flights-10k.json" >"$scratch/flights.jsonl"
head -c 24000 "$source/tests/data/flights-10k.json" >"$scratch/vectors.bin"
seq 200 | sed 's/.*/{"number":&}/' >"$scratch/frames.jsonl"
seq 200 | sed 's/.*/{"id":&}/' >"$scratch/valves.jsonl"
printf '{"pairs":%s}\n' 10 20 >"$scratch/pairs.jsonl"

compare hello "$golden/hello/input.jsonl" -- out:-
for granularity in serial thread; do
  compare fraud "$scratch/orders.jsonl" --set kernels.score.granularity=$granularity -- \
    out:account passed.jsonl:account
done
compare pipeline "$golden/pipeline/input.jsonl" -- out:sensor
compare join "$golden/join/input.jsonl" -- out:id halves.jsonl:id
compare pricing "$golden/pricing/input.jsonl" -- out:product
compare windows "$golden/windows/input.jsonl" --set inputs.ticks.every=1h -- out:sensor
compare ring /dev/null -- 'out:*'
compare backpressure "$scratch/frames.jsonl" -- archived.jsonl:-   # the others may miss some
compare deadletters "$golden/deadletters/input.jsonl" -- out:id
compare priorities "$scratch/valves.jsonl" -- out:id
compare raw "$scratch/vectors.bin" -- out:-
compare flights "$scratch/flights.jsonl" -- out:airport
compare waves "$scratch/pairs.jsonl" -- out:- u.npy:- v.npy:-
compare filter "$golden/filter/input.jsonl" -- out:id

if [ ${#wanted[@]} = 0 ]; then
  for topology in "$source"/configs/*/; do
    name=$(basename "$topology")
    [[ " ${compared[*]} " == *" $name "* ]] || fails "$name" "nobody compares it"
  done
fi
exit $failed
