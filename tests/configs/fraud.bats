load helper

@test "fraud raises the alerts of the sample orders" {
  topology fraud
  own_tests fraud
  run_shell 0 "ringk launch fraud.yaml < orders.jsonl > alerts.jsonl"
  same_lines "$GOLDEN/alerts.jsonl" alerts.jsonl
  same_lines "$GOLDEN/passed.jsonl" passed.jsonl
  same "the summary's last line" 1 "$(grep -c '^fraud: done in .* 14 lines' <<<"$stderr")"
}

@test "fraud's limit is a param" {
  topology fraud
  run_shell 0 "ringk launch fraud.yaml --set kernels.score.params.limit=1e9 < orders.jsonl"
  same "no alert" "" "$output"
  same "all passed" 14 "$(wc -l < passed.jsonl)"
}
