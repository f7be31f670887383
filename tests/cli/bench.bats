# Loading a topology to see how fast it is. Nothing here looks at a rate or a time: only at what was
# sent, where it ended, and what the report says of it.
load helper

topologies() { T=$RK_SOURCE/tests/cli/topologies; }

# balanced N: each phase of the report in $output has sent N messages, and each ended somewhere.
balanced() {
  same "phases that do not add up" "" "$(json --argjson n "$1" '.phases[] | select(
    .sent != $n or .status.totals.lines != $n or .status.totals.in_flight != 0 or
    (.status.balanced | not)) | .name')"
}

json() { jq -r "$@" <<<"$output"; }

# open_loop ARGS...: ringk bench; whether the machine keeps the rate (0) or not (1) is its affair.
open_loop() {
  run --separate-stderr "$RINGK" bench "$@"
  [ "$status" = 1 ] || expect_code 0 "ringk bench $*"
}

@test "capacity and three shares of it, and every message accounted for" {
  cp -r "$RK_SOURCE/configs/fraud" fraud
  echo mine >fraud/passed.jsonl
  echo mine >passed.jsonl
  run_ringk 0 bench fraud/fraud.yaml --size 1000 --keys 10 --json
  same "schema" ringk.bench/1 "$(json .schema)"
  same "phases" "capacity 10% 50% 90%" "$(json '[.phases[].name] | join(" ")')"
  same "loops" "closed open open open" "$(json '[.phases[].loop] | join(" ")')"
  balanced 1000
  same "handled and written" "1000 1000" \
    "$(json '[.phases[].status.totals | "\(.handled) \(.written)"] | unique | join(",")')"
  same "both ways out" true \
    "$(json '[.phases[].status.outputs[].written > 0] | all')"
  same "each 90% of what was found" true \
    "$(json '.phases[0].rate.median as $c | (.phases[3].asked_rate / $c - 0.9 | fabs) < 0.001')"
  same "percentiles in order" true "$(json '[.phases[1:][].latency_us |
    .count > 0 and .p50 <= .p99 and .p99 <= .p999 and .p999 <= .max] | all')"
  same "lost" 0 "$(json '[.phases[].lost] | add')"
  # What the topology names is not touched, nor made.
  same "outputs" "mine mine" "$(cat fraud/passed.jsonl passed.jsonl | xargs)"
  same "files" "fraud passed.jsonl" "$(ls | xargs)"
}

@test "for people there is a table, with the rates of each kernel" {
  run_ringk 0 bench "$RK_SOURCE/configs/pipeline/pipeline.yaml" --rate max --for 300ms
  same "phases" "PHASE capacity" "$(sed '/^$/,$d' <<<"$output" | awk '{print $1}' | xargs)"
  same "kernels" "KERNEL convert calibrate smooth judge" \
    "$(sed '1,/^$/d' <<<"$output" | awk '{print $1}' | xargs)"
  has "$stderr" "pipeline: ready in "
}

@test "a message is made of every kind of field, and through JSON too" {
  topologies
  run_ringk 0 bench "$T/kinds.yaml" --size 500 --json
  balanced 500
  run_ringk 0 bench "$T/kinds.yaml" --size 500 --lines --json
  balanced 500
  same "bytes written" true "$(json '[.phases[].status.outputs[0].bytes > 0] | all')"
  run_ringk 0 bench "$RK_SOURCE/configs/raw/raw.yaml" --size 500 --rate max --lines --json
  balanced 500
}

@test "as many keys as asked for" {
  run_ringk 0 bench "$RK_SOURCE/configs/fraud/fraud.yaml" --size 5000 --keys 77 --rate max --json
  same "keys" 77 "$(json '.phases[0].status.kernels[0].keys')"
}

@test "inputs take turns, deadlines in a field are far, timers go on" {
  open_loop "$RK_SOURCE/configs/priorities/priorities.yaml" --size 301 --rate 50k --json
  balanced 301
  same "each input" "76 75 75 75" "$(json '[.phases[0].status.inputs[].lines] | join(" ")')"
  run_ringk 0 bench "$RK_SOURCE/configs/windows/windows.yaml" --size 300 --rate max --json
  same "readings" 300 "$(json '.phases[0].sent')"
}

@test "a message that ends in a kernel has been followed to its end" {
  topologies
  open_loop "$T/limit.yaml" --set kernels.below.params.limit=0 --size 500 --rate 5k --json
  same "written" 0 "$(json '.phases[0].status.totals.written')"
  same "lost" 0 "$(json '.phases[0].lost')"
  same "followed" true "$(json '.phases[0].latency_us.count > 0')"
}

@test "an input cycles through the messages of a file" {
  topologies
  printf '{"id":1}\n\n{"id":50}\n' >two.jsonl
  run_ringk 0 bench "$T/limit.yaml" --in lines=two.jsonl --size 1001 --rate max --json
  balanced 1001
  same "below the limit" 501 "$(json '.phases[0].status.outputs[0].written')"
  run_shell 0 "ringk bench '$T/limit.yaml' --in lines=- --size 10 --rate max --json <two.jsonl"
  balanced 10
  printf '{"id":1}\n{"id":x}\n' >bad.jsonl
  run_ringk 65 bench "$T/limit.yaml" --in lines=bad.jsonl
  has "$stderr" "bad.jsonl:2: not_json"
  : >empty.jsonl
  run_ringk 65 bench "$T/limit.yaml" --in lines=empty.jsonl
  has "$stderr" "empty.jsonl: there is no message in it"
  run_ringk 66 bench "$T/limit.yaml" --in lines=none.jsonl
  run_ringk 2 bench "$T/limit.yaml" --in line=two.jsonl
  has "$stderr" "did you mean 'lines'?"
}

@test "a rate that is asked for and not reached is 1, and said" {
  topologies
  run_ringk 1 bench "$T/slow.yaml" --rate 100k --for 200ms --set kernels.slow.params.ms=1 \
    --set kernels.slow.launch.input_queue_capacity=16 --json
  same "kept" false "$(json '.phases[0].kept')"
  same "in flight" 0 "$(json '.phases[0].status.totals.in_flight')"
  run_ringk 1 bench "$T/slow.yaml" --rate 100k --for 200ms --set kernels.slow.params.ms=1 \
    --set kernels.slow.launch.input_queue_capacity=16
  has "$output" "rate: asked for 100 k/s, reached "
}

@test "messages that fail are 1, counted and shown; a handler's printing is no data" {
  topologies
  run_ringk 1 bench "$T/picky.yaml" --size 1000 --rate max --json
  balanced 1000
  same "failed" true "$(json '.phases[0].status.totals.failed > 0')"
  has "$stderr" "printed by the handler"
  run_ringk 1 bench "$T/picky.yaml" --size 1000 --rate max
  has "$output" 'capacity: "picky": failed: unlucky, as of {"id":13}'
  same "files" "" "$(ls)"
}

@test "a handler that ends the process is 70" {
  topologies
  echo '{"id":666}' >end.jsonl
  run_ringk 70 bench "$T/picky.yaml" --in lines=end.jsonl --size 10
  has "$stderr" "picky"
}

@test "SIGINT ends it with the report so far, and is 130" {
  topologies
  # Job control, else the shell has background processes ignore SIGINT.
  set -m
  "$RINGK" bench "$T/copy.yaml" --for 10m --json >out 2>err &
  set +m
  local pid=$! code=0
  eventually grep -q "ready in" err
  kill -INT "$pid"
  wait "$pid" || code=$?
  same "exit code" 130 "$code"
  output=$(<out)
  same "phases" capacity "$(json '[.phases[].name] | join(" ")')"
  same "in flight" 0 "$(json '.phases[0].status.totals.in_flight')"
}

@test "what cannot be loaded says why" {
  topologies
  run_ringk 2 bench "$T/copy.yaml" --rate 0
  run_ringk 2 bench "$T/copy.yaml" --rate 1x
  run_ringk 2 bench "$T/copy.yaml" --for 0s
  run_ringk 2 bench "$T/copy.yaml" --size 10 --for 1s
  run_ringk 2 bench "$T/copy.yaml" --keys 0
  run_ringk 66 bench none.yaml
  sed '/^inputs:/,/^outputs:/{/^outputs:/!d}; s/^outputs:/inputs:\n  lines: {every: 1s, value: {id: 1}, message: Line}\n&/' \
    "$T/copy.yaml" >timer.yaml
  run_ringk 2 bench timer.yaml
  has "$stderr" "timer.yaml: it has no input that messages could be sent to"
  sed 's/accepts/acepts/' "$T/copy.yaml" >wrong.yaml
  run_ringk 78 bench wrong.yaml
}
