load helper

@test "pricing as a filter sends the quotes over the reply wires" {
  topology pricing
  own_tests pricing
  run_shell 0 "ringk launch pricing.yaml < $GOLDEN/input.jsonl > quotes.jsonl"
  same_lines "$GOLDEN/quotes.jsonl" quotes.jsonl
}

@test "pricing as a service replies to each request, in the order of the requests" {
  topology pricing
  start pricing pricing.yaml
  run_ringk 0 send --reply pricing/asks '{"product": 12, "pieces": 3}'
  same "the reply" '{"product":12,"cents":750,"by":"pricer"}' "$output"
  run_shell 0 "ringk send --reply pricing/asks < $GOLDEN/input.jsonl > replies.jsonl"
  same_file "$GOLDEN/quotes.jsonl" replies.jsonl
  run_ringk 0 status pricing --json
  same "requests balance" "41 41 0 0 0 0" \
    "$(json '.requests | "\(.sent) \(.replied) \(.failed) \(.no_reply) \(.timed_out) \(.pending)"')"
}

@test "pricing tells the one who asked what nobody answers, and what fails" {
  topology pricing
  start pricing pricing.yaml
  run_ringk 75 send --reply pricing/asks '{"product": 1000, "pieces": 1}'
  has "$stderr" "no_reply"
  run_ringk 1 send --reply pricing/asks '{"product": 12, "pieces": 0}'
  has "$stderr" "an ask for no pieces"
}
