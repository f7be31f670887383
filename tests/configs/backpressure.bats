load helper

@test "each receiver loses what its wire says, and nothing else" {
  topology backpressure
  own_tests backpressure
  TOPOLOGY=backpressure
  start backpressure backpressure.yaml --out archived=archived.jsonl --out previewed=previewed.jsonl \
    --out shown=shown.jsonl --out audited=audited.jsonl
  for kernel in preview dashboard audit; do run_ringk 0 suspend "backpressure/$kernel"; done
  run_shell 0 "seq 100 | sed 's/.*/{\"number\":&}/' | ringk send backpressure/frames"
  eventually status_is '.kernels[] | select(.name == "archive").handled' 100
  run_ringk 0 status backpressure --json
  same "balanced" true "$(json .balanced)"
  same "edges" "frames:archive 100 100 0 0 0
frames:preview 100 0 92 0 8
frames:dashboard 100 0 92 0 8
frames:audit 100 0 0 92 8" \
    "$(json '.edges[] | select(.id | startswith("frames:")) |
             "\(.id) \(.offered) \(.delivered) \(.dropped) \(.failed) \(.depth)"')"
  dead=$(jq -r 'limit(1; .. | .dead_letters_file? // empty)' <<<"$output")
  run_ringk 0 resume backpressure
  run_ringk 0 stop backpressure
  same_file <(seq 100) <(jq .number archived.jsonl)
  same_file <(seq 8) <(jq .number previewed.jsonl)
  same_file <(seq 93 100) <(jq .number shown.jsonl)
  same_file <(seq 8) <(jq .number audited.jsonl)
}
