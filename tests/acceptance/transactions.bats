# What the whole has to show on a large input. RK_TRANSACTIONS lines, 20 for each account.
load ../cli/helper

setup_file() {
  export LINES_IN=${RK_TRANSACTIONS:-100000}
  export TOOLS=$BATS_TEST_DIRNAME
  export ACCOUNTS=$((LINES_IN / 20))
  "$TOOLS/transactions.py" "$LINES_IN" --accounts $ACCOUNTS > "$BATS_FILE_TMPDIR/orders.jsonl"
  export ORDERS=$BATS_FILE_TMPDIR/orders.jsonl
}

fraud() {
  cp -r "$RK_SOURCE/configs/fraud" .
  cd fraud
}

@test "transactions from stdin: every one is counted and handled, each account's in order" {
  fraud
  run_shell 0 "ringk launch fraud.yaml --summary summary.json < $ORDERS > alerts.jsonl"
  has "$stderr" "$LINES_IN lines, 0 bad"
  has "$stderr" "$LINES_IN handled"
  has "$stderr" "$(wc -l < alerts.jsonl) alerts"
  has "$stderr" "$(wc -l < passed.jsonl) passed"
  "$TOOLS/balance.py" summary.json lines="$LINES_IN" bad=0 handled="$LINES_IN" \
    emitted="$LINES_IN" written="$LINES_IN" failed=0 dropped=0 in_flight=0
  "$TOOLS/fraud_result.py" "$ORDERS" alerts.jsonl passed.jsonl
  same "no dead letters" 0 "$(wc -c < <(cat fraud.dead.jsonl 2>/dev/null))"
}

@test "one line in a hundred broken: exactly those are dead letters, exit 1" {
  fraud
  "$TOOLS/transactions.py" "$LINES_IN" --accounts $ACCOUNTS --broken 0.01 --list broken.jsonl > orders.jsonl
  broken=$(wc -l < broken.jsonl)
  run_shell 1 "ringk launch fraud.yaml --summary summary.json < orders.jsonl > alerts.jsonl"
  has "$stderr" "$LINES_IN lines, $broken bad -> fraud.dead.jsonl"
  good=$((LINES_IN - broken))
  "$TOOLS/balance.py" summary.json lines="$LINES_IN" bad="$broken" handled=$good written=$good \
    failed=0 dropped=0 in_flight=0
  "$TOOLS/fraud_result.py" orders.jsonl alerts.jsonl passed.jsonl --broken broken.jsonl \
    --dead-letters fraud.dead.jsonl
}

@test "a service that is sent the transactions balances in its status" {
  fraud
  start fraud fraud.yaml --out alerts=alerts.jsonl
  run_shell 0 "ringk send fraud/orders < $ORDERS"
  run_ringk 0 status fraud --wait idle
  run_ringk 0 status fraud --json
  printf '%s\n' "$output" > status.json
  "$TOOLS/balance.py" status.json lines="$LINES_IN" bad=0 handled="$LINES_IN" \
    written="$LINES_IN" failed=0 dropped=0 in_flight=0
  run_ringk 0 stop fraud
  "$TOOLS/fraud_result.py" "$ORDERS" alerts.jsonl passed.jsonl
}

@test "any number of workers and blocks gives the same bytes per account" {
  fraud
  "$TOOLS/transactions.py" 40000 --accounts 2000 > orders.jsonl
  for blocks in 1 3 8; do
    for workers in 1 2 4; do
      run_shell 0 "ringk launch fraud.yaml --workers $workers \
        --set kernels.score.launch.grid_size=$blocks < orders.jsonl > alerts.jsonl"
      for output in alerts passed; do
        "$TOOLS/per_account.py" $output.jsonl > $output.found
        [ -f $output.first ] || cp $output.found $output.first
        cmp $output.first $output.found
      done
    done
  done
  "$TOOLS/fraud_result.py" orders.jsonl alerts.jsonl passed.jsonl
}

@test "any granularity, on four threads, gives the result of one" {
  fraud
  "$TOOLS/transactions.py" 2000 --accounts 40 > orders.jsonl
  "$TOOLS/topology_test.py" fraud.yaml orders.jsonl > big.yaml
  sed 's/^    key: account.*/&\n    granularity: thread/' big.yaml > thread.yaml
  for threads in 1 4; do
    for workers in 1 4; do
      for topology in big thread; do
        run_ringk 0 test $topology.yaml --threads $threads --workers $workers
      done
    done
  done
}

@test "a big test that expects one wrong sum fails" {
  fraud
  "$TOOLS/transactions.py" 2000 --accounts 40 > orders.jsonl
  "$TOOLS/topology_test.py" fraud.yaml orders.jsonl > big.yaml
  sed -i '0,/"spent": 1/s//"spent": 2/' big.yaml
  run_ringk 1 test big.yaml
}
