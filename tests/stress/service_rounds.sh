#!/usr/bin/env bash
# Rounds of: launch -d, eight senders at once, wait until idle, stop. In each round every message
# must come out exactly once, the accounts must balance, and nothing may be left behind.
# usage: RINGK=path/to/ringk [RK_STRESS_ROUNDS=5] service_rounds.sh
set -euo pipefail
rounds=${RK_STRESS_ROUNDS:-5}
topology=$(cd "$(dirname "$0")/../cli/topologies" && pwd)/copy.yaml
folder=$(mktemp -d)
export RINGK_RUNTIME_DIR=$folder/run RINGK_STATE_DIR=$folder/state
export XDG_CACHE_HOME=${RK_CACHE:-$folder/cache}
mkdir -p "$XDG_CACHE_HOME"
limit=120

finish() {
  timeout $limit "$RINGK" stop copy --if-running >/dev/null 2>&1 || true
  rm -rf "$folder"
}
trap finish EXIT

give_up() {
  echo "round $round: $1" >&2
  cat "$folder"/*.err "$RINGK_STATE_DIR"/copy/log >&2 2>/dev/null || true
  exit 1
}

messages=1000
for sender in 1 2 3 4 5 6 7 8; do
  seq -f '{"id":%.0f}' $((sender * messages)) $((sender * messages + messages - 1)) >"$folder/in.$sender"
done
seq $messages $((9 * messages - 1)) >"$folder/expected"

for round in $(seq "$rounds"); do
  timeout $limit "$RINGK" launch -d "$topology" 2>"$folder/launch.err" || give_up "launch: exit $?"
  senders=()
  for sender in 1 2 3 4 5 6 7 8; do
    timeout $limit "$RINGK" send copy/lines --file "$folder/in.$sender" 2>"$folder/send$sender.err" &
    senders+=($!)
  done
  for sender in "${senders[@]}"; do wait "$sender" || give_up "send: exit $?"; done
  timeout $limit "$RINGK" status copy --wait idle --json --fail-if '!balanced' \
    --fail-if 'handled != 8000' >"$folder/status" 2>"$folder/status.err" || give_up "idle: exit $?"
  timeout $limit "$RINGK" stop copy 2>"$folder/stop.err" || give_up "stop: exit $?"
  sed -E 's/.*"id":([0-9]+).*/\1/' "$RINGK_STATE_DIR/copy/stdout" | sort -n >"$folder/found"
  cmp -s "$folder/expected" "$folder/found" ||
    give_up "lost or doubled: $(diff "$folder/expected" "$folder/found" | head -5)"
  [ -z "$(ls "$RINGK_RUNTIME_DIR")" ] || give_up "left behind: $(ls "$RINGK_RUNTIME_DIR")"
done
echo "$rounds rounds"
