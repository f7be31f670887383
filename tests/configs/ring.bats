load helper

@test "ring lets each token make its hops" {
  topology ring
  own_tests ring
  run_shell 0 "ringk launch ring.yaml > done.jsonl"
  same_lines "$GOLDEN/done.jsonl" done.jsonl
}

@test "ring holds more tokens than its credits and its queues without a deadlock" {
  topology ring
  for i in $(seq 500); do echo "{\"id\":$i,\"hops\":$((i % 50)),\"passed\":0}"; done > tokens.jsonl
  run_shell 0 "ringk launch ring.yaml --in tokens=tokens.jsonl \
    --set defaults.launch.input_queue_capacity=16 > done.jsonl"
  same "every token came out after its hops" 500 \
    "$(jq -c 'select(.hops == 0 and .passed == .id % 50 + 1)' done.jsonl | wc -l)"
}

@test "ring without credits is refused" {
  topology ring
  sed -i 's/, credits: 16//' ring.yaml
  run_ringk 78 check ring.yaml
  has "$output$stderr" "[waiting-cycle]"
}
