load helper

@test "filter keeps what jq would keep, and every other field to the last digit" {
  topology filter
  own_tests filter
  run_shell 0 "ringk launch filter.yaml < $GOLDEN/input.jsonl > kept.jsonl"
  same_file "$GOLDEN/kept.jsonl" kept.jsonl
}
