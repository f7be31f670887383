load helper

@test "join puts both halves of each ask together and tells what stayed alone" {
  topology join
  own_tests join
  run_shell 0 "ringk launch join.yaml < $GOLDEN/input.jsonl > offers.jsonl"
  same_lines "$GOLDEN/offers_out.jsonl" offers.jsonl
  same_lines "$GOLDEN/halves.jsonl" halves.jsonl
}
