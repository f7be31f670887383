load helper

@test "each way to fail makes one dead letter with its reason" {
  topology deadletters
  own_tests deadletters
  run_shell 1 "ringk launch deadletters.yaml --summary summary.json < $GOLDEN/input.jsonl > done.jsonl"
  same_file "$GOLDEN/done.jsonl" done.jsonl
  same_lines "$GOLDEN/dead.jsonl" <(jq -c '[.line, .kernel, .edge, .reason]' deadletters.dead.jsonl)
  same "each names the time" 0 "$(jq -c 'select(.time == null)' deadletters.dead.jsonl | wc -l)"
  same "the accounting balances" true "$(jq .balanced summary.json)"
  same "bad lines" 8 "$(jq .totals.bad summary.json)"
  has "$stderr" "13 lines, 8 bad -> deadletters.dead.jsonl"
}

@test "what finds no room is a dead letter each, or fails the whole message" {
  topology deadletters
  run_shell 1 "echo '{\"id\":1,\"kind\":\"burst\"}' | ringk launch deadletters.yaml --summary s.json"
  same "the job itself is done" '{"id":1,"kind":"burst"}' "$output"
  same "twelve of twenty parts found no room" "20 8 12" \
    "$(jq -r '.edges[] | select(.id == "work.many:narrow") | "\(.offered) \(.delivered) \(.failed)"' s.json)"
  same "they are told" "12 queue_full work.many:narrow" \
    "$(jq -r '"\(.reason) \(.edge)"' deadletters.dead.jsonl | sort | uniq -c | sed 's/^ *//')"
  same "they are the last twelve" "$(seq 8 19)" "$(jq .message.number deadletters.dead.jsonl)"

  run_shell 1 "echo '{\"id\":2,\"kind\":\"whole\"}' | ringk launch deadletters.yaml --summary s.json"
  same "nothing came of it" "" "$output"
  same "no part was delivered" 0 \
    "$(jq '.kernels[] | select(.name == "narrow").delivered' s.json)"
  same "the job is the dead letter" "queue_full 2" \
    "$(jq -r '"\(.reason) \(.message.id)"' deadletters.dead.jsonl)"
}

@test "max_failed says how much may fail" {
  topology deadletters
  run_shell 0 "ringk launch deadletters.yaml --set run.max_failed=100 < $GOLDEN/input.jsonl"
  run_shell 1 "ringk launch deadletters.yaml --set run.max_failed=1% < $GOLDEN/input.jsonl"
}
