# Topologies on the GPU that RINGK_CUDA_LIBRARY names: their own tests, and what they write compared
# with what the CPU writes.
load ../cli/helper
load pass_topology

@test "every topology of configs/ passes its tests and gives the CPU's results on the GPU" {
  run_shell 0 "$RK_SOURCE/tests/cuda/same_results.sh $RINGK $RK_SOURCE"
}

@test "transactions balance on the GPU" {
  cp -r "$RK_SOURCE/configs/fraud" .
  cd fraud
  "$RK_SOURCE/tests/acceptance/transactions.py" 20000 --accounts 500 >orders.jsonl
  export RINGK_BACKEND=cuda
  run_shell 0 "ringk launch fraud.yaml --summary summary.json < orders.jsonl > alerts.jsonl"
  has "$stderr" "(score: cuda"
  "$RK_SOURCE/tests/acceptance/balance.py" summary.json lines=20000 bad=0 handled=20000 \
    written=20000 failed=0 dropped=0 in_flight=0
}

@test "what the drain limit leaves where nobody reads the output is in the dead letters" {
  pass_topology
  seq -f '{"v":%.0f}' 100000 >in
  mkfifo unread
  exec 4<>unread
  "$RINGK" launch pass.yaml --summary sum.json --set run.on_signal_drain=100ms <in >unread 2>err &
  local pid=$! code=0
  stuck() {
    local before=$written
    written=$("$RINGK" status pass --json 2>/dev/null | jq '.totals.written // 0')
    [ "${written:-0}" -gt 0 ] && [ "$written" = "$before" ]
  }
  written=
  eventually stuck
  kill -TERM "$pid"
  wait "$pid" || code=$?
  exec 4>&-
  same "exit code" 1 "$code"
  has "$(cat err)" "the time to drain was over"
  same "balanced" true "$(jq .balanced sum.json)"
  same "in flight" 0 "$(jq .totals.in_flight sum.json)"
  same "lines" true "$(jq '.totals.lines == .totals.written + .totals.failed' sum.json)"
  same "reasons" drain_timeout "$(jq -r .reason pass.dead.jsonl | sort -u)"
}

@test "kernels on the GPU need no compiler for the CPU" {
  cp -r "$RK_SOURCE/configs/fraud" .
  cd fraud
  export RINGK_CACHE_DIR=$PWD/cache RINGK_BACKEND=cuda RINGK_CXX=/nowhere/c++
  run_shell 0 "ringk launch fraud.yaml < orders.jsonl > alerts.jsonl"
  has "$stderr" "(score: cuda"
  cmp <(sort alerts.jsonl) <(sort "$RK_SOURCE/tests/golden/fraud/alerts.jsonl")
}

@test "a cache that was built elsewhere serves a machine without compilers" {
  export RINGK_CACHE_DIR=$PWD/cache
  cp -r "$RK_SOURCE/configs/fraud" there
  cp -r "$RK_SOURCE/configs/fraud" here
  run_ringk 0 build there/fraud.yaml --arch sm_90
  run_ringk 0 build "$RK_SOURCE/configs/filter/filter.yaml" --arch sm_90
  cp "$RK_SOURCE/configs/filter/filter.yaml" here
  cd here
  export RINGK_BACKEND=cuda RINGK_CXX=/nowhere/c++ RINGK_NVRTC_LIBRARY=/nowhere/libnvrtc.so
  run_shell 0 "ringk launch fraud.yaml < orders.jsonl > alerts.jsonl"
  has "$stderr" "(score: cuda"
  cmp <(sort alerts.jsonl) <(sort "$RK_SOURCE/tests/golden/fraud/alerts.jsonl")
  run_ringk 0 test filter.yaml
  echo "// another handler" >>handlers/score.hpp
  run_shell 69 "ringk launch fraud.yaml < orders.jsonl"
  has "$stderr" "NVRTC is not on this machine"
}

@test "waves saves the same arrays on the GPU as on the CPU" {
  cp -r "$RK_SOURCE/configs/waves" .
  cd waves
  for mode in persistent event_driven; do
    for backend in cpu cuda; do
      export RINGK_BACKEND=$backend
      run_shell 0 "printf '{\"pairs\":%s}\n' 5 20 | ringk launch waves.yaml \
        --set kernels.drum.launch.mode=$mode --out heights=heights.$backend"
      has "$stderr" "(drum: $backend"
      for array in u v; do mv $array.npy $array.$backend; done
    done
    for array in heights u v; do cmp $array.cpu $array.cuda; done
  done
}

@test "a kernel on the GPU is named in status, and suspended, resumed, terminated" {
  export RINGK_BACKEND=cuda
  cp -r "$RK_SOURCE/configs/fraud" .
  cd fraud
  start fraud fraud.yaml --out alerts=alerts.jsonl
  run_ringk 0 suspend fraud/score
  run_shell 0 "ringk send fraud/orders < orders.jsonl"
  run_ringk 0 resume fraud/score
  run_ringk 0 status fraud --wait idle
  run_ringk 0 status fraud --json
  same "backend" '"cuda" 0' "$(json '"\(.kernels[0].backend | tojson) \(.kernels[0].device)"')"
  run_ringk 0 stop fraud
}
