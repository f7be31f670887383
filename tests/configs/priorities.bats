load helper

@test "the urgent overtake the bulk that waits" {
  topology priorities
  own_tests priorities
  TOPOLOGY=priorities
  start priorities priorities.yaml --out moved=moved.jsonl
  run_ringk 0 suspend priorities/pump
  run_ringk 0 send priorities/bulk '{"id":1}' '{"id":2}'
  run_ringk 0 send priorities/fresh '{"id":3}'
  run_ringk 0 send priorities/timed '{"id":4}'
  run_ringk 0 send priorities/urgent '{"id":5}'
  eventually status_is '[.edges[] | select(.id | endswith(":pump")).depth] | add' 5
  run_ringk 0 resume priorities/pump
  run_ringk 0 stop priorities
  same "order" "5 4 3 1 2" "$(jq .id moved.jsonl | xargs)"
}

@test "a message whose time has passed is a dead letter" {
  topology priorities
  echo '{"id":1,"until":1}' > timed.jsonl
  run_shell 1 "ringk launch priorities.yaml --in timed=timed.jsonl < /dev/null"
  same "no output" "" "$output"
  same "the dead letter" "deadline_passed timed:pump 1" \
    "$(jq -r '"\(.reason) \(.edge) \(.message.id)"' priorities.dead.jsonl)"
}
