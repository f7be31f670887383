# Runs whose kernels crash, and that are told to go on in a process of their own.
load helper

# Crashes at every id that ends in 66.
picky_topology() {
  cat >picky.yaml <<'EOF'
ringk: 1
name: picky
messages:
  Line:
    id: u64
kernels:
  picky:
    backend: cpu
    accepts: [Line]
    emits: {out: Line}
    code: |
      RK_HANDLER void on_message(Context& ctx, const Line& line) {
        if (line.id % 100 == 66) __builtin_trap();
        ctx.emit(port::out, line);
      }
inputs:
  lines: {stdin: jsonl, message: Line}
outputs:
  out: {file: out.jsonl}
wires:
  lines: picky
  picky.out: out
run:
  on_kernel_failure: restart
  restart_delay: 1ms
EOF
}

ids() { for id in "$@"; do echo "{\"id\":$id}"; done; }
out_has() { [ "$(jq -r .id out.jsonl | xargs)" = "$1" ]; }

@test "a run that crashes goes on with the rest of its input, and its code tells what was lost" {
  picky_topology
  mkfifo feed
  "$RINGK" launch picky.yaml --summary sum.json <feed 2>err &
  local pid=$! code=0
  exec 4>feed
  ids 1 2 >&4
  eventually out_has "1 2"
  ids 66 >&4
  eventually grep -q "restarts in 1 ms (1 of 5)" err
  ids 3 >&4
  eventually out_has "1 2 3"
  ids 166 >&4
  eventually grep -q "restarts in 2 ms (2 of 5)" err
  ids 4 >&4
  exec 4>&-
  wait "$pid" || code=$?
  same "exit code" 1 "$code"
  out_has "1 2 3 4"
  same "restarts" 2 "$(jq '.kernels[0].restarts' sum.json)"
  has "$(cat err)" "crashed with SIGILL while it handled Line from line 3"
  # Lines go on being counted.
  has "$(cat err)" "crashed with SIGILL while it handled Line from line 5"
  has "$(cat err)" "; after 2 restarts, and 2 failed before the last"
}

@test "what was lost counts against max_failed" {
  picky_topology
  { ids 1; ids 66; } >in
  # The two, and the first once more where an output is just taking it.
  run_shell 0 "ringk launch picky.yaml --set run.max_failed=3 <in"
  run_shell 1 "ringk launch picky.yaml <in"
}

@test "a file goes on behind what was taken of it, and no line is given twice" {
  picky_topology
  sed -i 's/lines: {stdin: jsonl/lines: {file: in.jsonl/' picky.yaml
  seq -f '{"id":%.0f}' 1 465 >in.jsonl
  run_ringk 1 launch picky.yaml --set kernels.picky.launch.input_queue_capacity=4
  # Each id at most once, in order, and the last ones are there.
  jq .id out.jsonl >ids.out
  sort -n -u -c ids.out
  same "last" 465 "$(tail -n 1 ids.out)"
}

@test "values and timers go on where they were" {
  picky_topology
  sed -i 's/lines: {stdin: jsonl, message: Line}/lines: {message: Line, values: [{id: 66}, {id: 166}, {id: 1}]}/' picky.yaml
  run_ringk 1 launch picky.yaml --set kernels.picky.launch.input_queue_capacity=1
  sed -i 's/lines: {.*/lines: {message: Line, every: 1ms, value: {id: 66}, count: 3}/' picky.yaml
  # How many ticks a crash takes with it is chance, but not that three are all.
  run_ringk 1 launch picky.yaml --set run.until.output=out --set run.until.count=3
  [ "$(grep -c "crashed with" <<<"$stderr")" -le 3 ]
}

@test "what goes on failing ends with 70" {
  picky_topology
  sed -i 's/lines: {stdin: jsonl, message: Line}/lines: {message: Line, every: 1ms, value: {id: 66}}/' picky.yaml
  run_ringk 70 launch picky.yaml --set run.max_restarts=2
  same "crashes" 3 "$(grep -c "crashed with" <<<"$stderr")"
  has "$stderr" "2 restarts within 600 s are the most; it ends"
}

@test "a topology that does not start is not started again" {
  picky_topology
  run_ringk 78 launch picky.yaml --set kernels.picky.code='nonsense' </dev/null
  [[ $stderr != *"restarts in"* ]]
}

@test "a service outlives its crashes, tells them, and stops when it is told to" {
  picky_topology
  sed -i 's/file: out.jsonl/stdout: jsonl/' picky.yaml
  # Nothing of the caller's stays open: else this never returns.
  started+=(picky)
  local said
  said=$("$RINGK" launch -d picky.yaml 2>&1)
  has "$said" "the log is"
  run_ringk 0 send picky/lines '{"id":1}' --wait handled
  "$RINGK" send picky/lines '{"id":66}' --wait handled || true
  restarted() { [ "$("$RINGK" status picky --json | jq '.kernels[0].restarts')" = "$1" ]; }
  eventually restarted 1
  run_ringk 0 send picky/lines '{"id":2}' --wait handled
  run_ringk 73 launch -d picky.yaml
  has "$("$RINGK" status picky -o prom)" 'ringk_kernel_restarts_total{topology="picky",kernel="picky"} 1'
  local log=$XDG_STATE_HOME/ringk/picky/log
  has "$(cat "$log")" "crashed with SIGILL"
  has "$(cat "$log")" "restarts in 1 ms (1 of 5)"
  run_ringk 1 stop picky
  run_ringk 69 status picky
  same "output" "1 2" "$(jq -r .id "$XDG_STATE_HOME/ringk/picky/stdout" | xargs)"
}

@test "a signal ends it, also one that is sent to the whole group" {
  picky_topology
  local how
  for how in one group group group group group group group group; do
    rm -f err feed
    mkfifo -m 600 feed
    setsid "$RINGK" launch picky.yaml <feed 2>err &
    local pid=$! code=0
    exec 4>feed
    eventually grep -q ready err
    if [ "$how" = one ]; then kill -INT "$pid"; else kill -INT -- "-$pid"; fi
    wait "$pid" || code=$?
    exec 4>&-
    same "exit code, $how" 130 "$code"
    same "drained, $how" 1 "$(grep -c "picky: done" err)"
    [[ $(cat err) != *"before it had drained"* ]]
  done
}

@test "what an output held when the run crashed is counted, and its line goes on" {
  picky_topology
  sed -i 's/file: out.jsonl/stdout: jsonl/' picky.yaml
  mkfifo feed got
  "$RINGK" launch picky.yaml <feed >got 2>err &
  local pid=$! code=0 n
  exec 4>feed 5<got
  n=$(seq 20000 | awk '$1 % 100 != 66 {print "{\"id\":" $1 "}"}' | tee /dev/fd/4 | wc -l)
  # All of it is handled, most is in the pipe, and the rest waits for its reader.
  waits() { [ "$("$RINGK" status picky --json | jq '.totals.handled')" = "$n" ]; }
  eventually waits
  echo '{"id":66}' >&4
  eventually grep -q "restarts in" err
  echo '{"id":1}' >&4
  exec 4>&-
  cat <&5 >out.jsonl
  wait "$pid" || code=$?
  same "exit code" 1 "$code"
  jq -e .id out.jsonl >ids.out
  same "last" 1 "$(tail -n 1 ids.out)"
  local lost
  lost=$(sed -n 's/.*, and \([0-9]*\) failed before the last.*/\1/p' err)
  # One more where the message whose line was begun is counted as lost, and yet is whole.
  [ "$(($(wc -l <ids.out) + lost - n - 2))" -ge 0 ]
  [ "$(($(wc -l <ids.out) + lost - n - 2))" -le 1 ]
}

@test "a named pipe goes on, and its writer with it" {
  picky_topology
  sed -i 's/lines: {stdin: jsonl/lines: {file: feed/' picky.yaml
  mkfifo feed
  "$RINGK" launch picky.yaml 2>err &
  local pid=$! code=0
  exec 4>feed
  ids 1 >&4
  eventually out_has 1
  ids 66 >&4
  eventually grep -q "restarts in" err
  ids 2 3 >&4
  exec 4>&-
  wait "$pid" || code=$?
  same "exit code" 1 "$code"
  out_has "1 2 3"
}

@test "bad lines before a crash are kept, and so is what they are a part of" {
  picky_topology
  mkfifo feed
  "$RINGK" launch picky.yaml --set run.max_failed=50% <feed 2>err &
  local pid=$! code=0
  exec 4>feed
  { echo nonsense; ids 1 2; } >&4
  eventually out_has "1 2"
  ids 66 >&4
  eventually grep -q "restarts in" err
  exec 4>&-
  wait "$pid" || code=$?
  # Two of four.
  same "exit code" 0 "$code"
  same "dead letters" not_json "$(jq -r .reason picky.dead.jsonl)"
  has "$(cat err)" "and 2 failed before the last"
}

@test "an output's count is that of all runs" {
  picky_topology
  seq -f '{"id":%.0f}' 60 1000 >in
  run_shell 1 "ringk launch picky.yaml --set run.until.output=out --set run.until.count=20 \
    --set kernels.picky.launch.input_queue_capacity=4 <in"
  same "first" 60 "$(jq .id out.jsonl | head -n 1)"
  [ "$(wc -l <out.jsonl)" -ge 20 ]
  [ "$(wc -l <out.jsonl)" -lt 200 ]
}

@test "a line that is too long is told once, though a crash comes in its middle" {
  picky_topology
  sed -i 's/lines: {stdin: jsonl/lines: {file: in.jsonl/' picky.yaml
  { ids 66; seq -f '{"id":%.0f}' 1 62; head -c 60000000 /dev/zero | tr '\0' x; echo; ids 1; } >in.jsonl
  run_ringk 1 launch picky.yaml --set kernels.picky.launch.input_queue_capacity=256
  same "letters" 1 "$(grep -c line_too_long picky.dead.jsonl)"
}

@test "a caller that does not want to hear of its children gets an end all the same" {
  picky_topology
  ids 1 66 >in
  run_shell 1 "trap '' CHLD; exec timeout 60 \"\$RINGK\" launch picky.yaml <in"
}

@test "stop reaches a service that crashes at that moment" {
  picky_topology
  sed -i 's/file: out.jsonl/stdout: jsonl/' picky.yaml
  local i
  for i in 1 2 3 4 5; do
    started+=(picky)
    "$RINGK" launch -d picky.yaml 2>launch.err
    "$RINGK" send picky/lines '{"id":66}' >/dev/null 2>&1 &
    "$RINGK" stop picky 2>stop.err || true
    wait
    run_ringk 69 status picky
  done
}
