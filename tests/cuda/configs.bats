# Topologies on the GPU that RINGK_CUDA_LIBRARY names: their own tests, and what they write compared
# with what the CPU writes.
load ../cli/helper

@test "every topology of configs/ passes its tests on the GPU" {
  export RINGK_BACKEND=cuda
  for topology in "$RK_SOURCE"/configs/*/*.yaml; do
    run_ringk 0 test "$topology"
  done
}

@test "transactions give the same bytes per account on the GPU as on the CPU" {
  cp -r "$RK_SOURCE/configs/fraud" .
  cd fraud
  "$RK_SOURCE/tests/acceptance/transactions.py" 20000 --accounts 500 >orders.jsonl
  for granularity in serial thread; do
    sed "s/^    key: account.*/&\n    granularity: $granularity/" fraud.yaml >one.yaml
    for backend in cpu cuda; do
      export RINGK_BACKEND=$backend
      run_shell 0 "ringk launch one.yaml --summary $backend.json < orders.jsonl > alerts.jsonl"
      has "$stderr" "(score: $backend"
      "$RK_SOURCE/tests/acceptance/balance.py" $backend.json lines=20000 bad=0 handled=20000 \
        written=20000 failed=0 dropped=0 in_flight=0
      for output in alerts passed; do
        "$RK_SOURCE/tests/acceptance/per_account.py" $output.jsonl >$output.$backend
      done
    done
    for output in alerts passed; do cmp $output.cpu $output.cuda; done
  done
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
