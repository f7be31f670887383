# ringk check and ringk test.
load helper

topologies() { T=$RK_SOURCE/tests/cli/topologies; export T; }

@test "a valid topology is valid" {
  topologies
  run_ringk 0 check "$T/copy.yaml" "$T/quote.yaml"
  has "$output" "0 errors, 0 warnings in 2 files"
  run_ringk 0 check --json "$T/copy.yaml"
  same "document" "ringk.check/1 0 1" "$(json '"\(.schema) \(.errors) \(.files | length)"')"
}

@test "every mistake is shown with its place, line, caret and suggestion" {
  topologies
  sed 's/    accepts: /    acepts: /; s/copy.out: copies/copy.uot: copies/' "$T/copy.yaml" >bad.yaml
  run_ringk 78 check bad.yaml "$T/quote.yaml"
  has "$output" "bad.yaml:10:5: error: unknown key 'acepts'"
  has "$output" "did you mean 'accepts'?"
  has "$output" "^~~~~"
  run_ringk 78 check --json bad.yaml
  same "valid" false "$(json '.files[0].valid')"
  jq -e '.files[0].diagnostics[] | select(.code == "unknown-key")' <<<"$output" >/dev/null
}

@test "a file that is not there is 66, and the others are checked" {
  topologies
  run_ringk 66 check nowhere.yaml "$T/copy.yaml"
  has "$stderr" nowhere.yaml
  has "$output" "in 1 file"
}

@test "a topology comes from standard input" {
  topologies
  run_shell 0 'ringk check - <$T/copy.yaml'
}

@test "the effective topology is printed and is a topology" {
  topologies
  run_ringk 0 check --print "$T/limit.yaml" --set kernels.below.params.limit=77
  has "$output" 77
  printf '%s\n' "$output" >effective.yaml
  run_ringk 0 check effective.yaml
}

@test "the schema is a JSON Schema" {
  run_ringk 0 check --schema
  has "$(json '."$schema"')" "draft-07"
  # A variable may stand where a number or a word does.
  for key in input.properties.deadline launch.properties.shared_memory_size wire.properties.route \
    run.properties.until run.properties.max_failed kernel.properties.constants; do
    has "$(json ".definitions.$key")" '\\$\\{'
  done
  run_ringk 2 check
  run_ringk 2 check --schema x.yaml
}

@test "a State that threads would share is an error of the topology" {
  topologies
  sed 's/^    code: |$/    granularity: thread\n    code: |\n      struct State { int n; };/' \
    "$T/copy.yaml" >bad.yaml
  run_ringk 78 check bad.yaml
  has "$output" "[thread-without-key]"
  has "$output" "granularity: thread"
  run_ringk 78 launch bad.yaml
  has "$stderr" "[thread-without-key]"
}

@test "an alias that contains itself is answered, not followed" {
  printf 'ringk: 1\nname: &name [*name]\n' >bad.yaml
  run_ringk 78 check bad.yaml
  has "$output" "[too-large]"
}

@test "handlers are compiled when asked" {
  topologies
  sed 's/ctx.emit(port::out, line)/ctx.emti(port::out, line)/' "$T/copy.yaml" >bad.yaml
  run_ringk 0 check bad.yaml
  run_ringk 78 check --compile bad.yaml
  has "$stderr" "bad.yaml:"
  has "$stderr" emti
  has "$output" "1 error, "
  run_ringk 78 check --compile --json bad.yaml
  same "report" "1 false" "$(json '"\(.errors) \(.files[0].compiled)"')"
  sed '/^kernels:/a\  other: {accepts: [Line], code: "int x = nothing_of_that_name;"}' bad.yaml |
    sed 's/  lines: copy/  lines: [copy, other]/' >worse.yaml
  run_ringk 78 check --compile worse.yaml
  has "$stderr" emti
  has "$stderr" nothing_of_that_name
  run_ringk 0 check --compile "$T/copy.yaml"
  run_ringk 0 check --compile --json "$T/copy.yaml"
  same "report" "0 true" "$(json '"\(.errors) \(.files[0].compiled)"')"
}

@test "the tests of a topology pass or fail, one line each" {
  topologies
  cat "$T/limit.yaml" - >tested.yaml <<'YAML'
tests:
  - name: small ones pass
    send:
      lines:
        - {id: 1}
        - {id: 11}
    expect:
      copies:
        - {id: 1}
  - name: large ones pass
    send:
      lines:
        - {id: 11}
    expect:
      copies:
        - {id: 11}
    within: 1s
YAML
  run_ringk 1 test tested.yaml --junit report.xml
  [[ ${lines[0]} == "ok "*"small ones pass" ]]
  has "$output" "FAILED"
  has "$stderr" "1 passed, 1 failed"
  has "$(cat report.xml)" "<testsuite"
  has "$(cat report.xml)" "<failure"
  run_ringk 0 test tested.yaml --filter small --threads 4
  run_ringk 0 test tested.yaml --set kernels.below.params.limit=20 --filter large
  run_ringk 2 test tested.yaml --filter nothing
  run_ringk 66 test nowhere.yaml
  run_ringk 78 test "$T/copy.yaml" --set kernels.copy.nonsense=1
  run_ringk 74 test tested.yaml --filter small --junit /dev/full
  run_shell 74 'ringk test tested.yaml >/dev/full'
}

@test "what a handler prints while it is tested does not reach the report" {
  topologies
  cat "$T/picky.yaml" - >tested.yaml <<'YAML'
tests:
  - name: it prints
    send:
      lines:
        - {id: 14}
    expect:
      copies:
        - {id: 14}
YAML
  run_ringk 0 test tested.yaml
  [[ $output != *printed* ]]
  has "$stderr" "printed by the handler"
  run_ringk 0 test tested.yaml --junit -
  same "first line" '<?xml version="1.0" encoding="UTF-8"?>' "${lines[0]}"
  has "$stderr" "it prints"
}

@test "a handler that ends the process fails its own test, and the tests are 70" {
  topologies
  cat "$T/picky.yaml" - >tested.yaml <<'YAML'
tests:
  - {name: before, send: {lines: [{id: 1}]}, expect: {copies: [{id: 1}]}}
  - {name: it aborts, send: {lines: [{id: 666}]}, expect: {copies: [{id: 666}]}}
  - {name: it exits, send: {lines: [{id: 669}]}, expect: {copies: []}}
  - {name: it leaves, send: {lines: [{id: 670}]}, expect: {copies: []}}
  - {name: it is killed, send: {lines: [{id: 671}]}, expect: {copies: []}}
  - {name: mismatch, send: {lines: [{id: 2}]}, expect: {copies: [{id: 3}]}}
  - {name: after, send: {lines: [{id: 4}]}, expect: {copies: [{id: 4}]}}
YAML
  run_ringk 70 test tested.yaml --junit report.xml
  same "verdicts" "ok FAILED FAILED FAILED FAILED FAILED ok" \
    "$(grep -oE '^(ok|FAILED)' <<<"$output" | xargs)"
  has "$output" "kernel 'picky' ("
  has "$output" "crashed with SIGABRT while it handled Line"
  has "$output" "called exit()"
  has "$output" "exit code 3"
  has "$output" "signal 9"
  has "$stderr" "crashed with SIGABRT while it handled Line"
  has "$stderr" "2 passed, 5 failed"
  same "failures in the report" 5 "$(grep -c '<failure' report.xml)"
  run_ringk 0 test tested.yaml --filter after
  run_ringk 1 test tested.yaml --filter mismatch
}

@test "a message of a test that does not fit its type is an error of the topology" {
  topologies
  cat "$T/limit.yaml" - >tested.yaml <<'YAML'
tests:
  - name: words are no numbers
    send:
      lines: [{id: 1}]
    expect:
      copies: [{id: one}]
YAML
  run_ringk 78 check tested.yaml
  has "$output" "[wrong-type]"
  has "$output" "{id: one}"
  run_ringk 78 test tested.yaml
}

@test "a number that YAML and JSON read differently is refused" {
  topologies
  run_ringk 78 check "$T/limit.yaml" --set kernels.below.params.limit=010
  has "$output" "write 10, or 8: YAML reads 010 as octal"
  sed 's/u64 = 10/u64 = 010/' "$T/limit.yaml" >octal.yaml
  run_ringk 78 check octal.yaml
  has "$output" "octal.yaml:13:20: error: '010' is no number"
}

@test "what a topology holds cannot write to the terminal, nor break the JSON" {
  topologies
  printf 'ringk: 1\nname: "a\\eb" # \033[31m\377\nx\033]0;y\007: %010000d\n' 0 >bad.yaml
  run_ringk 78 check bad.yaml
  [[ $output != *$'\033'* && $output != *$'\007'* && $output != *$'\377'* ]]
  has "$output" '\x1B[31m\xFF'
  ((${#output} < 2000))
  run_ringk 78 check --json bad.yaml
  jq -e '.files[0].diagnostics | length > 0' <<<"$output" >/dev/null
  [[ $output != *$'\033'* && $output != *$'\377'* ]]
}

@test "clusters must fit the grid, and are said to do nothing on the CPU" {
  topologies
  run_ringk 78 check "$T/limit.yaml" --set kernels.below.launch.cluster_size=9
  has "$output" "cluster_size"
  run_ringk 78 check "$T/limit.yaml" --set kernels.below.launch.cluster_size=2
  has "$output" "grid_size is no multiple of cluster_size"
  run_ringk 0 check "$T/limit.yaml" --set kernels.below.backend=cpu \
    --set kernels.below.launch.cluster_size=2 --set kernels.below.launch.grid_size=2
  has "$output$stderr" "'cluster_size' has no effect on the CPU"
}

@test "a lease is printed, is bounded, and is said to do nothing on the CPU" {
  topologies
  run_ringk 0 check --print "$T/limit.yaml"
  has "$output" "lease: 5s"
  run_ringk 0 check --print "$T/limit.yaml" --set kernels.below.launch.lease=250ms
  has "$output" "lease: 250ms"
  run_ringk 0 check "$T/limit.yaml" --set kernels.below.backend=cpu \
    --set kernels.below.launch.lease=250ms
  has "$output$stderr" "'lease' has no effect on the CPU"
  run_ringk 78 check "$T/limit.yaml" --set kernels.below.launch.lease=99ms
  has "$output$stderr" "'lease' is 100ms to 24h"
}

@test "restarts are printed with their bounds, and bounds without them have no effect" {
  topologies
  run_ringk 0 check --print "$T/copy.yaml" --set run.on_kernel_failure=restart \
    --set run.max_restarts=7 --set run.restart_window=1h --set run.restart_delay=2s
  has "$output" "on_kernel_failure: restart"
  has "$output" "max_restarts: 7"
  has "$output" "restart_window: 3600s"
  has "$output" "restart_delay: 2s"
  run_ringk 78 check "$T/copy.yaml" --set run.on_kernel_failure=restart \
    --set run.max_restarts=0 --set run.restart_window=9s --set run.restart_delay=3s
  has "$output$stderr" "'restart_window' is at least 10s"
  has "$output$stderr" "'restart_delay' is at most 2s"
  has "$output$stderr" "3 errors"
  run_ringk 0 check "$T/copy.yaml" --set run.restart_delay=1s
  has "$output$stderr" "'restart_delay' has no effect without on_kernel_failure: restart"
  { echo 'restart: always'; cat "$T/copy.yaml"; } >asked.yaml
  run_ringk 78 check asked.yaml
  has "$output$stderr" "of the whole run there is: run.on_kernel_failure: restart"
}

@test "a batch is printed with its bounds, and bounds without one have no effect" {
  cat >batch.yaml <<'YAML'
ringk: 1
name: batch
messages: {N: {v: u64}}
kernels:
  pass:
    builtin: echo
    accepts: [N]
    emits: {out: N}
    launch: {mode: event_driven, batch_size: 64, batch_delay: 2ms}
inputs: {in: {stdin: jsonl, message: N}}
outputs: {o: {stdout: jsonl}}
wires: {in: pass, pass.out: o}
YAML
  run_ringk 0 check --print batch.yaml
  has "$output" "batch_size: 64"
  has "$output" "batch_delay: 2ms"
  run_ringk 0 check batch.yaml --set kernels.pass.launch.mode=persistent
  has "$output$stderr" "'batch_delay' acts with mode event_driven on a GPU only"
  run_ringk 78 check batch.yaml --set kernels.pass.launch.batch_size=0
  has "$output$stderr" "batch_size"
}
