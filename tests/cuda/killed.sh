#!/usr/bin/env bash
# A host that is killed while its kernel stays on the GPU: the kernel leaves by its lease, and the
# next process has the GPU. Before it is killed the host must show that the kernel is there: it is
# ready, and a message has come back from it.
# usage: killed.sh RINGK LADDER
set -uo pipefail
ringk=$1
ladder=$2
lease=2  # seconds
folder=$(mktemp -d)
victim=
leave() {
  [ -z "$victim" ] || kill -9 "$victim" 2>/dev/null
  rm -rf "$folder"
}
trap leave EXIT
cd "$folder" || exit 1

complain() {
  echo "$*" >&2
  cat err >&2
  exit 1
}

cat >killed.yaml <<EOF
ringk: 1
name: killed
messages: {N: {v: u64}}
kernels:
  stays:
    backend: cuda
    accepts: [N]
    emits: {out: N}
    launch: {lease: ${lease}s}
    code: |
      RK_HANDLER void on_message(Context& ctx, const N& n) { ctx.emit(port::out, N{n.v + 1}); }
inputs: {in: {stdin: jsonl, message: N}}
outputs: {o: {stdout: jsonl}}
wires: {in: stays, stays.out: o}
EOF
mkfifo in
touch out err
exec 8<>in  # opens without a reader
"$ringk" launch killed.yaml <in >out 2>err 8>&- &
victim=$!
echo '{"v":41}' >&8
for ((looks = 0; looks < 200; ++looks)); do
  grep -q '"v":42' out && grep -q ready err && break
  kill -0 "$victim" 2>/dev/null || complain "the victim ended before its kernel had answered"
  sleep 0.1
done
grep -q ready err || complain "the victim was not ready"
grep -q '"v":42' out || complain "the victim's kernel did not answer, so it was not on the GPU"
kill -9 "$victim" || complain "the victim ended before it was killed"
{ wait "$victim"; } 2>/dev/null
code=$?
victim_was=$victim victim=
[ $code = 137 ] || complain "the victim ended with $code, and not because it was killed"
echo "its kernel had answered when the victim was killed"
sleep $((lease + 1))
if nvidia-smi --query-compute-apps=pid --format=csv,noheader 2>/dev/null | grep -qx "$victim_was"; then
  complain "a second after its lease the GPU still runs what the victim left"
fi
"$ladder" echo || complain "the next process does not have the GPU"
