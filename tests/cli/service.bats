# launch -d and the commands that talk to what it leaves running.
load helper

topologies() { T=$RK_SOURCE/tests/cli/topologies; export T; }
ids() { printf '{"id":%s}\n' "$@"; }
output_of() { echo "$XDG_STATE_HOME/ringk/$1/stdout"; }

@test "a service is ready when launch returns, takes lines, and stops with nothing lost" {
  topologies
  start copy "$T/copy.yaml"
  has "$(cat launch.err)" "$(output_of copy)"
  run_ringk 0 status copy --json
  same "state" ready "$(json .state)"
  ids 1 2 3 >in
  run_shell 0 'ringk send copy/lines <in'
  has "$stderr" "3 lines, 3 accepted, 0 bad"
  run_ringk 0 status copy --wait idle --timeout 60s
  same "ids" "1 2 3" "$(jq -r .id "$(output_of copy)" | xargs)"
  run_ringk 0 stop copy
  run_ringk 69 status copy
  run_ringk 0 list topologies --json
  same "running" "[]" "$(jq -c .topologies <<<"$output")"
}

@test "launch -d holds no pipe of its caller open" {
  topologies
  started+=(copy)
  run_shell 0 'timeout 60 bash -c "\"\$RINGK\" launch -d \$T/copy.yaml 2>&1 | cat"'
}

@test "status tells of a handler that is long at one message" {
  topologies
  # It goes on when the file is there.
  sed -e "s#ctx.emit(port::out, line)#while (access(\"$PWD/go\", F_OK) != 0) usleep(1000); &#" \
    -e 's#code: |#&\n      \#include <unistd.h>#' "$T/copy.yaml" >slow.yaml
  start copy slow.yaml
  run_ringk 0 send copy '{"id":1}'
  busy() { "$RINGK" status copy --fail-if 'copy.busy_s >= 1' >/dev/null; [ $? = 1 ]; }
  eventually busy
  run_ringk 0 status copy
  has "$output" "active (busy "
  same "in hand" 1 "$("$RINGK" status copy --json | jq '.kernels[0].in_hand')"
  touch go
  run_ringk 0 status copy --wait idle --timeout 60s --json
  same "busy" 0 "$(json '.kernels[0].busy_s')"
}

@test "a taken name is 73, and what to do about it" {
  topologies
  start copy "$T/copy.yaml"
  run_ringk 0 status copy --json
  local first
  first=$("$RINGK" list topologies --json | jq '.topologies[0].pid')
  run_ringk 73 launch -d "$T/copy.yaml"
  has "$stderr" "already running"
  run_ringk 0 launch -d "$T/copy.yaml" --if-absent
  same "pid" "$first" "$("$RINGK" list topologies --json | jq '.topologies[0].pid')"
  run_ringk 0 launch -d "$T/copy.yaml" --replace
  [ "$first" != "$("$RINGK" list topologies --json | jq '.topologies[0].pid')" ]
  run_ringk 0 launch -d "$T/copy.yaml" --name other
  started+=(other)
  run_ringk 2 status
  has "$stderr" "copy other"
}

@test "--if-absent returns when what is starting is ready" {
  topologies
  # A handler that nobody has compiled yet.
  sed "s/ctx.emit(port::out, line)/\/* $RANDOM$RANDOM *\/ &/" "$T/copy.yaml" >new.yaml
  started+=(copy)
  "$RINGK" launch -d new.yaml 2>/dev/null &
  starting() { "$RINGK" status copy --json 2>/dev/null | jq -e .state >/dev/null; }
  eventually starting
  run_ringk 0 launch -d new.yaml --if-absent
  has "$stderr" "already runs"
  run_ringk 0 send copy '{"id":1}'
  wait $!
  # Also where another was quicker.
  run_ringk 0 stop copy
  local pids=() pid
  for pid in 1 2 3 4; do
    "$RINGK" launch -d new.yaml --if-absent 2>err.$pid &
    pids+=($!)
  done
  for pid in "${pids[@]}"; do wait "$pid"; done
  [[ $(cat err.?) != *error* ]]
}

@test "who asks for the end in the moment of the end hears how it ended" {
  topologies
  local round i pids code codes=
  for round in 1 2 3 4 5 6 7 8; do
    start copy "$T/copy.yaml"
    pids=()
    for i in 1 2 3 4 5 6; do
      "$RINGK" stop copy --if-running 2>>err &
      pids+=($!)
    done
    for i in "${pids[@]}"; do
      code=0
      wait "$i" || code=$?
      codes+=" $code"
    done
  done
  same "exit codes" 0 "$(tr ' ' '\n' <<<"${codes# }" | sort -u | xargs)"
  [[ $(cat err) != *crashed* ]]
}

@test "what kill -9 left is known as dead and replaced" {
  topologies
  start copy "$T/copy.yaml"
  local pid
  pid=$("$RINGK" list topologies --json | jq '.topologies[0].pid')
  kill -9 "$pid"
  eventually_dead() { ! kill -0 "$pid" 2>/dev/null; }
  eventually eventually_dead
  [ -e "$XDG_RUNTIME_DIR/ringk/copy.sock" ]
  run_ringk 69 send copy '{"id":1}'
  run_ringk 0 launch -d "$T/copy.yaml"
  run_ringk 0 send copy '{"id":1}' --wait handled
}

@test "a service that cannot start says why, with its code" {
  topologies
  run_ringk 66 launch -d nowhere.yaml
  sed 's/ctx.emit(port::out, line)/ctx.emti(port::out, line)/' "$T/copy.yaml" >bad.yaml
  run_ringk 78 launch -d bad.yaml
  has "$stderr" emti
  run_ringk 69 status copy
}

@test "the socket is its owner's alone" {
  topologies
  start copy "$T/copy.yaml"
  same "folder" 700 "$(stat -c %a "$XDG_RUNTIME_DIR/ringk")"
  same "socket" 600 "$(stat -c %a "$XDG_RUNTIME_DIR/ringk/copy.sock")"
}

@test "messages on the command line are sent and standard input is left alone" {
  topologies
  start copy "$T/copy.yaml"
  mkfifo never  # opened for reading and writing: neither bytes nor an end ever come
  run_shell 0 'ringk send copy/lines "{\"id\":1}" "{ \"id\":
2 }" <>never'
  run_shell 0 'printf "left\n" | { ringk send copy/lines "{\"id\":3}" 2>/dev/null; cat; }'
  same "stdin" left "$output"
  run_ringk 0 status copy --wait idle --timeout 60s
  same "ids" "1 2 3" "$(jq -r .id "$(output_of copy)" | xargs)"
  # Not made into a space.
  run_ringk 1 send copy/lines '{"id":4,"note":"a
b"}'
  has "$stderr" "line 1: not_json"
}

@test "bad lines are those of their sender" {
  topologies
  start copy "$T/copy.yaml"
  run_ringk 1 send copy/lines '{"id":1}' '{"id":"x"}' '{"id":2}'
  has "$stderr" "3 lines, 2 accepted, 1 bad"
  has "$stderr" "line 2: wrong_type"
  run_ringk 0 send copy/lines '{"id":3}'
  has "$stderr" "1 line, 1 accepted, 0 bad"
  run_ringk 69 send copy/nothing '{}'
  has "$stderr" "nothing"
  # The run, too, says in the end that not everything was good.
  run_ringk 1 stop copy
  has "$(cat "$XDG_STATE_HOME/ringk/copy/copy.dead.jsonl")" wrong_type
}

@test "send takes a file, a pipe, and a last line without its end" {
  topologies
  start copy "$T/copy.yaml"
  ids 1 2 >in
  run_ringk 0 send copy/lines --file in
  run_shell 0 'printf "{\"id\":3}\n{\"id\":4}" | ringk send copy --file - --wait handled'
  same "ids" "1 2 3 4" "$(jq -r .id "$(output_of copy)" | sort | xargs)"
  run_ringk 66 send copy --file nowhere
  run_ringk 2 send copy --file in '{}'
}

@test "a sender that is killed in a line loses that line alone" {
  topologies
  start copy "$T/copy.yaml"
  mkfifo to
  "$RINGK" send copy/lines <to 2>/dev/null &
  local pid=$!
  exec 4>to
  { ids 1; printf '{"id":'; } >&4
  arrived() { grep -q id "$(output_of copy)"; }
  eventually arrived
  kill -9 "$pid"
  exec 4>&-
  counted() { [ "$("$RINGK" status copy --json | jq '.inputs[0].bad')" = 1 ]; }
  eventually counted
  same "lines" 2 "$("$RINGK" status copy --json | jq '.inputs[0].lines')"
  has "$(cat "$XDG_STATE_HOME/ringk/copy/copy.dead.jsonl")" truncated
  run_ringk 0 send copy/lines '{"id":2}' --wait handled
}

@test "eight senders at once lose nothing and double nothing" {
  topologies
  start copy "$T/copy.yaml"
  local sender pids=()
  for sender in 1 2 3 4 5 6 7 8; do
    seq -f '{"id":%.0f}' $((sender * 10000)) $((sender * 10000 + 4999)) >in.$sender
    "$RINGK" send copy/lines --file in.$sender 2>/dev/null &
    pids+=($!)
  done
  for sender in "${pids[@]}"; do wait "$sender"; done
  run_ringk 0 status copy --wait idle --timeout 100s --json
  same "handled" 40000 "$(json .totals.handled)"
  same "balanced" true "$(json .balanced)"
  run_ringk 0 stop copy
  cat in.? | jq .id | sort -n >expected
  jq .id "$(output_of copy)" | sort -n >found
  cmp expected found
}

@test "replies come as lines in the order of the requests" {
  topologies
  start quote "$T/quote.yaml"
  printf '{"n":%s}\n' $(seq 100 160) >in
  run_shell 0 'ringk send quote/asks --reply --timeout 60s <in'
  same "replies" "$(seq 200 2 320 | xargs)" "$(jq -r .twice <<<"$output" | xargs)"
  run_ringk 75 send quote/asks --reply '{"n":13}' '{"n":1}'
  same "the other's reply" 2 "$(jq .twice <<<"$output")"
  has "$stderr" "line 1: no_reply"
  run_ringk 1 send quote/asks --reply '{"n":14}'
  has "$stderr" no_price
  run_ringk 1 send quote/asks --reply '{"m":14}'
  has "$stderr" "line 1: unknown_field"
}

@test "a suspended kernel keeps its backlog, and waiting for idle names it at once" {
  topologies
  start stages "$T/two-stages.yaml"
  run_ringk 0 suspend stages/second
  run_ringk 0 status stages/second --json
  same "state" deactivated "$(json '.kernels[0].state')"
  run_ringk 0 send stages/lines '{"id":1}' '{"id":2}'
  run_ringk 1 status stages --wait idle --timeout 100s
  has "$stderr" second
  run_ringk 75 send stages/lines '{"id":3}' --wait handled --timeout 200ms
  run_ringk 0 resume stages/second
  run_ringk 0 status stages --wait idle --timeout 100s
  same "ids" "1 2 3" "$(jq -r .id "$(output_of stages)" | xargs)"
  run_ringk 1 resume stages/second
  run_ringk 69 suspend stages/third
  has "$stderr" third
}

@test "a terminated kernel finishes what it has, and later messages are dead letters" {
  topologies
  start stages "$T/two-stages.yaml"
  run_ringk 0 send stages/lines '{"id":1}'
  run_ringk 0 stop stages/second --timeout 100s
  run_ringk 0 status stages/second --json
  same "state" terminated "$(json '.kernels[0].state')"
  run_ringk 0 send stages/lines '{"id":2}' --wait handled --timeout 100s
  same "ids" "1" "$(jq -r .id "$(output_of stages)" | xargs)"
  run_ringk 1 stop stages
  has "$(cat "$XDG_STATE_HOME/ringk/stages/stages.dead.jsonl")" receiver_terminated
}

@test "a service that crashes is gone, says where, and frees its name" {
  topologies
  start picky "$T/picky.yaml"
  run_ringk 69 send picky/lines '{"id":666}' --wait handled --timeout 100s
  run_ringk 69 status picky
  has "$(cat "$XDG_STATE_HOME/ringk/picky/log")" picky
  run_ringk 0 launch -d "$T/picky.yaml"
  # What the run before said is kept beside.
  has "$(cat "$XDG_STATE_HOME/ringk/picky/log.1")" picky
}

@test "status is a table, JSON or Prometheus text, and judges" {
  topologies
  start copy "$T/copy.yaml"
  run_ringk 0 send copy/lines '{"id":1}' --wait handled
  run_ringk 0 status
  [[ $output =~ ^KERNEL\ +ON\ +STATE\ +HANDLED ]]
  has "$output" active
  run_ringk 0 status copy -o json
  same "handled" 1 "$(json '.kernels[0].handled')"
  run_ringk 0 status copy -o prom
  has "$output" 'ringk_kernel_handled_total{topology="copy",kernel="copy"} 1'
  run_ringk 0 status copy --fail-if 'copy.failed > 0' --fail-if 'edges["lines:copy"].depth > 100'
  run_ringk 1 status copy --fail-if 'totals.handled >= 1'
  has "$stderr" "totals.handled >= 1"
  run_ringk 2 status copy --fail-if 'totals.handeld >= 1'
  has "$stderr" "did you mean 'handled'?"
  run_ringk 69 status copy/cpoy
  has "$stderr" "did you mean 'copy'?"
}

@test "watching ends when the topology does" {
  topologies
  start copy "$T/copy.yaml"
  "$RINGK" status copy --watch=10ms --json >watched &
  local watcher=$!
  twice() { [ "$(wc -l <watched)" -ge 2 ]; }
  eventually twice
  run_ringk 0 stop copy
  wait "$watcher"
  jq -e .schema watched >/dev/null
}

@test "who waits for the end hears of its exit code" {
  topologies
  start copy "$T/copy.yaml"
  run_ringk 75 status copy --wait stopped --timeout 50ms
  "$RINGK" send copy/lines nonsense 2>/dev/null || true
  "$RINGK" status copy --wait stopped 2>/dev/null &
  local waiter=$! code=0
  run_ringk 1 stop --all
  wait "$waiter" || code=$?
  [ "$code" = 1 ] || [ "$code" = 0 ]  # 0: it came too late to wait
}

@test "a foreground run answers, too" {
  topologies
  mkfifo to
  "$RINGK" launch "$T/copy.yaml" <to >out 2>err &
  exec 4>to
  eventually "$RINGK" status copy --wait ready >/dev/null 2>&1
  run_ringk 0 send copy/lines '{"id":9}' --wait handled
  same "id" 9 "$(jq .id out)"
  exec 4>&-
  wait $!
}

@test "a process that is stopped is 75, within the time that one gives" {
  topologies
  start copy "$T/copy.yaml"
  local pid command begun=$SECONDS
  pid=$("$RINGK" list topologies --json | jq '.topologies[0].pid')
  kill -STOP "$pid"
  for command in "status copy" "status copy --wait idle" "send copy/lines {\"id\":1}" "stop copy" "stop copy/copy"; do
    # shellcheck disable=SC2086
    run --separate-stderr timeout 60 "$RINGK" $command --timeout 300ms
    echo "$command: $status $stderr"
    [ "$status" = 75 ] || break
  done
  kill -CONT "$pid"
  same "exit code of $command" 75 "$status"
  has "$stderr" "'copy' is there but does not answer"
  [ $((SECONDS - begun)) -lt 9 ]
}

@test "send waits for a topology that is starting, and gives up with 75" {
  topologies
  cat >cxx <<'SH'
#!/bin/sh
for i in $(seq 600); do [ -e "${0%/*}/go" ] && break; sleep 0.1; done
exec g++ "$@"
SH
  chmod +x cxx
  started+=(copy)
  XDG_CACHE_HOME=$PWD/cache RINGK_CXX=$PWD/cxx "$RINGK" launch -d "$T/copy.yaml" 2>launch.err &
  local launcher=$!
  listed() { "$RINGK" list topologies --json | jq -e '.topologies[0].state == "starting"'; }
  eventually listed
  local option
  for option in --wait=handled --reply; do
    run --separate-stderr "$RINGK" send copy/lines '{"id":1}' "$option" --timeout 300ms
    echo "$status $stderr"
    [ "$status" = 75 ] || break
  done
  "$RINGK" send copy/lines '{"id":2}' --wait handled 2>sent.err &
  local sender=$!
  touch go
  same "exit code of send $option" 75 "$status"
  has "$stderr" "'copy' is still starting"
  wait "$launcher"
  wait "$sender"
  same "ids" 2 "$(jq -r .id "$(output_of copy)" | xargs)"
}
