#!/usr/bin/env bash
# Handlers that fault on a GPU: each must end its run with 70, CUDA's name for it, the message that
# was in hand, and sums that balance. Needs a real one: a simulated one would fault with its host.
# usage: faults.sh RINGK
set -uo pipefail
ringk=$1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 1
failed=0

complain() {
  echo "$kind: $*" >&2
  cat err >&2
  failed=1
}

fault() {  # KIND PATTERN CODE...: what the handler does with the message 2
  kind=$1
  cat >fault.yaml <<EOF
ringk: 1
name: fault
messages: {N: {v: u64}}
kernels:
  fault:
    backend: cuda
    accepts: [N]
    emits: {out: N}
    code: |
      extern "C" __device__ void __assertfail(const char*, const char*, unsigned, const char*,
                                              unsigned long);
      RK_HANDLER void on_message(Context& ctx, const N& n) {
        if (n.v == 2) {
          $3
        }
        ctx.emit(port::out, n);
      }
inputs: {in: {stdin: jsonl, message: N}}
outputs: {o: {stdout: jsonl}}
wires: {in: fault, fault.out: o}
EOF
  rm -f sum.json fault.dead.jsonl
  (echo '{"v":1}'; sleep 1; echo '{"v":2}'; sleep 1; echo '{"v":3}') |
    timeout -k 5 20 "$ringk" launch fault.yaml --summary sum.json >out 2>err
  local code=${PIPESTATUS[1]}
  [ "$code" = 70 ] || complain "exit $code, not 70"
  grep -Eq "$2" err || complain "no $2"
  grep -q 'in hand were block 0: message ' err || complain "no message in hand"
  grep -q '"v":1' out || complain "the message before it did not come out"
  grep -q '"balanced": *true' sum.json || complain "the sums do not balance"
  grep -q '"reason": *"device_lost"' fault.dead.jsonl || complain "no dead letter"
  echo "$kind: $(grep -Eo 'CUDA_ERROR_[A-Z_]+' err | head -n 1)"
}

fault "illegal address" CUDA_ERROR_ILLEGAL_ADDRESS '*reinterpret_cast<volatile uint64_t*>(16) = n.v;'
fault trap 'CUDA_ERROR_(LAUNCH_FAILED|ILLEGAL_INSTRUCTION)' 'asm volatile("trap;");'
fault assert CUDA_ERROR_ASSERT '__assertfail("n.v != 2", "fault.yaml", 1, "on_message", 1);'
exit $failed
