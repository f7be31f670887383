load helper

@test "hello hands lines on, whatever is in the text" {
  topology hello
  own_tests hello
  run_shell 0 "ringk launch hello.yaml < $GOLDEN/input.jsonl > said.jsonl"
  same_file "$GOLDEN/said.jsonl" said.jsonl
}

@test "hello counts a line that is no greeting, and says so" {
  topology hello
  run_shell 1 "echo '{\"txt\": 1}' | ringk launch hello.yaml"
  same "no output" "" "$output"
  has "$stderr" "hello.dead.jsonl"
  same "the dead letter" "unknown_field" "$(jq -r .reason hello.dead.jsonl)"
}
