# Which GPU a kernel runs on, and what a user sees when one is lost. On simulated GPUs alone.
load ../cli/helper
load pass_topology

@test "a kernel runs on the GPU that it names by index or UUID, or on any" {
  pass_topology
  export RK_SIMULATED_DEVICES=2
  local uuid
  uuid=$("$RINGK" list devices --json | jq -r '.devices[] | select(.name == "cuda1").gpu.uuid')
  for wanted in 1:1 "$uuid:1" "${uuid#GPU-}:1" 0:0 any:0; do
    run_shell 0 "echo '{\"v\":1}' | ringk launch pass.yaml --set kernels.pass.device=${wanted%:*}"
    has "$stderr" "(pass: cuda ${wanted##*:}"
  done
  run_shell 69 "ringk launch pass.yaml --set kernels.pass.device=2 </dev/null"
  has "$stderr" "it has no device '2'"
}

@test "a kernel for a GPU alone is compiled for a GPU alone" {
  pass_topology
  sed -i 's/    builtin: echo/    code: |\
      #if !defined(__CUDACC__) \&\& !defined(RK_SIMULATED_DEVICE)\
      #error not for the CPU\
      #endif\
      RK_HANDLER void on_message(Context\& ctx, const N\& n) { ctx.emit(port::out, n); }/' pass.yaml
  export RINGK_CXX=/nowhere/c++ RINGK_CACHE_DIR=$PWD/cache
  run_ringk 0 build pass.yaml --arch sm_90 --json
  same "targets" sm_90 "$(json '[.handlers[].target] | join(" ")')"
  run_shell 0 "echo '{\"v\":1}' | ringk launch pass.yaml"
  same "output" '{"v":1}' "$output"
  run_ringk 0 launch -d pass.yaml
  run_ringk 0 launch -d --replace pass.yaml
  sed -i 's/ctx.emit/ctx.emti/' pass.yaml
  run_ringk 78 launch -d --replace pass.yaml
  has "$stderr" "emti"
  run_ringk 0 stop pass
}

@test "kernels of two GPUs talk by way of the host" {
  export RK_SIMULATED_DEVICES=2
  pass_topology
  sed -i 's/^inputs/  second: {backend: cuda, device: 1, builtin: echo, accepts: [N], emits: {out: N}}\ninputs/
    s/pass.out: o/pass.out: second, second.out: o/' pass.yaml
  seq -f '{"v":%.0f}' 1000 >in
  run_shell 0 "ringk launch pass.yaml < in > out"
  has "$stderr" "second: cuda 1"
  cmp in out
}

@test "auto takes the CPU and says why where a GPU is there and cannot be used" {
  pass_topology
  sed -i '/backend: cuda/d' pass.yaml
  export RK_SIMULATED_UNUSABLE=mode
  run_shell 0 "echo '{\"v\":1}' | ringk launch pass.yaml"
  has "$stderr" "(pass: cpu"
  has "$stderr" "kernel 'pass' runs on the CPU: Simulated GPU: its compute mode is 'prohibited'"
  run_shell 69 "ringk launch pass.yaml --set kernels.pass.backend=cuda </dev/null"
  has "$stderr" "its compute mode is 'prohibited'"
  unset RK_SIMULATED_UNUSABLE
  run_shell 0 "echo '{\"v\":1}' |
    RINGK_NVRTC_LIBRARY=/nowhere.so RINGK_CACHE_DIR=$PWD/cache ringk launch pass.yaml"
  has "$stderr" "kernel 'pass' runs on the CPU: NVRTC is not on this machine"
}

@test "a GPU that is lost ends the run with 70, with the kernel, CUDA's name and the sums" {
  pass_topology
  export RK_SIMULATED_DIES_WITH=$PWD/fault
  mkfifo feed
  "$RINGK" launch pass.yaml --summary sum.json <feed >out 2>err &
  local pid=$! code=0
  exec 4>feed
  echo '{"v":1}' >&4
  eventually test -s out
  touch fault
  wait "$pid" || code=$?
  exec 4>&-
  same "exit code" 70 "$code"
  has "$(cat err)" "pass"
  has "$(cat err)" "CUDA_ERROR_ILLEGAL_ADDRESS"
  has "$(cat err)" "no message was in hand"
  same "state" failed "$(jq -r '.kernels[] | select(.name == "pass").state' sum.json)"
  same "balanced" true "$(jq .balanced sum.json)"
}

@test "a GPU that takes no kernel is 70, one on which it does not fit 78" {
  pass_topology
  for call in cuModuleGetFunction cuFuncLoad cuLaunchKernel; do
    RK_SIMULATED_FAILS=$call run_ringk 70 launch pass.yaml </dev/null
    has "$stderr" CUDA_ERROR_
    has "$stderr" pass
  done
  run_ringk 78 launch pass.yaml --set kernels.pass.launch.grid_size=60000 </dev/null
}

@test "a run that goes on without its GPU says so in status" {
  pass_topology
  export RK_SIMULATED_DIES_WITH=$PWD/fault
  mkfifo feed
  "$RINGK" launch pass.yaml --set run.on_kernel_failure=continue --summary sum.json \
    <feed >out 2>err &
  local pid=$! code=0
  exec 4>feed
  echo '{"v":1}' >&4
  eventually test -s out
  touch fault
  failed() { [ "$("$RINGK" status pass --json | jq -r '.kernels[0].state')" = failed ]; }
  eventually failed
  has "$("$RINGK" status pass --json | jq -r '.kernels[0].last_error')" CUDA_ERROR_ILLEGAL_ADDRESS
  echo '{"v":2}' >&4
  exec 4>&-
  wait "$pid" || code=$?
  same "exit code" 70 "$code"
  same "reason" receiver_terminated "$(jq -r .reason pass.dead.jsonl)"
  same "balanced" true "$(jq .balanced sum.json)"
}

@test "a run that is told to restart has its GPU again, and its input goes on" {
  pass_topology
  export RK_SIMULATED_DIES_WITH=$PWD/fault
  mkfifo feed
  "$RINGK" launch pass.yaml --set run.on_kernel_failure=restart --set run.max_restarts=1000 \
    --set run.max_failed=100% --summary sum.json <feed >out 2>err &
  local pid=$! code=0
  exec 4>feed
  printf '{"v":1}\n{"v"' >&4
  eventually test -s out
  touch fault
  eventually grep -q "restarts in" err
  rm fault
  echo ':2}' >&4
  exec 4>&-
  wait "$pid" || code=$?
  same "exit code" 0 "$code"
  # The line that was half there when the GPU was lost is whole.
  same "output" '{"v":1} {"v":2}' "$(xargs -d '\n' <out)"
  has "$(cat err)" CUDA_ERROR_ILLEGAL_ADDRESS
  same "balanced" true "$(jq .balanced sum.json)"
  [ "$(jq '.kernels[0].restarts' sum.json)" -ge 1 ]
}
