load helper

@test "pipeline judges the samples, each sensor's in order" {
  topology pipeline
  own_tests pipeline
  run_shell 0 "ringk launch pipeline.yaml < $GOLDEN/input.jsonl > verdicts.jsonl"
  same_lines "$GOLDEN/verdicts.jsonl" verdicts.jsonl
  for sensor in 1 2 3 4 5; do
    same_file <(grep "\"sensor\":$sensor," "$GOLDEN/verdicts.jsonl") \
      <(grep "\"sensor\":$sensor," verdicts.jsonl)
  done
}

@test "pipeline's params are set from the command line" {
  topology pipeline
  run_shell 0 "ringk launch pipeline.yaml --set kernels.judge.params.hot=-100 \
    --set kernels.judge.params.cold=-200 < $GOLDEN/input.jsonl"
  same "all are hot" 60 "$(grep -c '"level":"hot"' <<<"$output")"
}

@test "pipeline fails a sample of more than 12 bits and goes on" {
  topology pipeline
  run_shell 1 "printf '{\"sensor\":1,\"counts\":%d}\n' 5000 819 | ringk launch pipeline.yaml"
  same "one verdict" 1 "$(wc -l <<<"$output")"
  same "the dead letter" "convert failed more counts than 12 bits 1" \
    "$(jq -r '"\(.kernel) \(.reason) \(.detail) \(.line)"' pipeline.dead.jsonl)"
}
