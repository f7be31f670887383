# ringk launch in the foreground: a filter with an exit code that tells the truth.
load helper

topologies() { T=$RK_SOURCE/tests/cli/topologies; export T; }

# ids N...: a line for each.
ids() { printf '{"id":%s}\n' "$@"; }

@test "lines go in and come out, and the end of the input ends it" {
  topologies
  ids 1 2 3 >in
  run_shell 0 'ringk launch $T/copy.yaml <in'
  same "ids" "1 2 3" "$(jq -r .id <<<"$output" | xargs)"
  has "$stderr" "copy: ready"
  has "$stderr" "3 lines"
}

@test "a last line without its newline is a line, and no input is no error" {
  topologies
  run_shell 0 'printf "{\"id\":1}\n{\"id\":2}" | ringk launch $T/copy.yaml'
  same "ids" "1 2" "$(jq -r .id <<<"$output" | xargs)"
  run_shell 0 'ringk launch $T/copy.yaml </dev/null'
  same "stdout" "" "$output"
}

@test "an answer is written when there is nothing more to do, not at the end" {
  topologies
  mkfifo to from
  "$RINGK" launch "$T/copy.yaml" <to >from 2>err &
  exec 4>to 5<from
  ids 7 >&4
  read -r -t 60 answer <&5
  same "id" 7 "$(jq .id <<<"$answer")"
  exec 4>&-
  wait $!
  exec 5<&-
}

@test "the summary file is the last status, and it balances" {
  topologies
  { ids 1 2; echo nonsense; ids 3; } >in
  run_shell 1 'ringk launch $T/copy.yaml --summary sum.json <in >out'
  run cat sum.json
  same "schema" ringk.status/1 "$(json .schema)"
  same "balanced" true "$(json .balanced)"
  same "lines" "4 3 1" "$(json '.inputs[0] | "\(.lines) \(.accepted) \(.bad)"')"
  same "written" 3 "$(json '.outputs[0].written')"
  same "in flight" 0 "$(json '.totals.in_flight')"
}

@test "a bad line is a dead letter with its number and reason, and exit 1" {
  topologies
  { ids 1; echo '{"id":"x"}'; ids 2; echo '{"idd":1}'; } >in
  run_shell 1 'ringk launch $T/copy.yaml <in'
  same "ids" "1 2" "$(jq -r .id <<<"$output" | xargs)"
  has "$stderr" "2 bad"
  same "lines" "2 4" "$(jq -r .line copy.dead.jsonl | xargs)"
  same "reasons" "wrong_type unknown_field" "$(jq -r .reason copy.dead.jsonl | xargs)"
}

@test "what a handler fails or throws is a dead letter, and exit 1" {
  topologies
  ids 12 13 15 16 >in
  run_shell 1 'ringk launch $T/picky.yaml <in'
  same "ids" "12 16" "$(jq -r .id <<<"$output" | xargs)"
  same "dead letters" 2 "$(wc -l <picky.dead.jsonl)"
  has "$(cat picky.dead.jsonl)" "unlucky"
  has "$(cat picky.dead.jsonl)" "thrown by the handler"
}

@test "what a handler prints does not reach the data" {
  topologies
  ids 14 >in
  run_shell 0 'ringk launch $T/picky.yaml <in'
  same "stdout" 14 "$(jq -r .id <<<"$output")"
  [[ $output != *printed* ]]
  has "$stderr" "printed by the handler"
}

@test "a named pipe whose writer has gone before is read to its end" {
  topologies
  mkfifo feed
  exec 5<>feed
  ids 1 2 >&5
  exec 6<feed 5>&-
  run_shell 0 'timeout 60 "$RINGK" launch $T/copy.yaml <&6'
  exec 6<&-
  same "ids" "1 2" "$(jq -r .id <<<"$output" | xargs)"
}

@test "a handler that crashes is 70, and is named with its message" {
  topologies
  local id
  for id in "666 crashed with SIGABRT" "667 crashed with SIGSEGV" "668 crashed with SIGFPE" "669 called exit()"; do
    { ids 1; ids "${id%% *}"; } >in
    run_shell 70 'ringk launch $T/picky.yaml <in'
    has "$stderr" "kernel 'picky' ("
    has "$stderr" "picky.yaml:"
    has "$stderr" "${id#* } while it handled Line from line 2"
    [[ $stderr =~ "messages in hand: "[1-9] ]]
  done
}

@test "a crash is a JSON line where the log is made of them" {
  topologies
  mkdir $'a\tfolder'
  sed -n '/#include/,/^inputs/p' "$T/picky.yaml" | sed '$d;s/^      //' >$'a\tfolder/picky.hpp'
  { sed '/    code: |/,$d' "$T/picky.yaml"; echo "    source: \"a\\tfolder/picky.hpp\""
    sed -n '/^inputs/,$p' "$T/picky.yaml"; } >picky.yaml
  ids 666 >in
  RINGK_LOG_FORMAT=json run_shell 70 'ringk launch picky.yaml <in'
  same "crashes" 1 "$(jq -r 'select(.text | contains("crashed")) | .level' <<<"$stderr" | grep -c error)"
  same "who" "picky picky" "$(jq -r 'select(.level == "error") | "\(.topology) \(.kernel)"' <<<"$stderr")"
  has "$(jq -r .text <<<"$stderr")" "$(printf "kernel 'picky' (a\tfolder/picky.hpp) crashed with SIGABRT while it handled Line from line 1")"
  jq -e 'select(.level == "error") | .time | test("^20[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9]\\.[0-9]{6}Z$")' <<<"$stderr"
}

@test "on_bad_input: stop is 65" {
  topologies
  { ids 1; echo nonsense; ids 2; } >in
  run_shell 65 'ringk launch $T/strict.yaml <in'
}

@test "a file that is not there is 66" {
  topologies
  run_ringk 66 launch nowhere.yaml
  has "$stderr" nowhere.yaml
  run_ringk 66 launch "$T/copy.yaml" --with nowhere.yaml
  has "$stderr" nowhere.yaml
  run_ringk 66 launch "$T/copy.yaml" --in lines=nowhere.jsonl
  has "$stderr" nowhere.jsonl
}

@test "an invalid topology or handler is 78, with its place" {
  topologies
  sed 's/copy.out: copies/copy.uot: copies/' "$T/copy.yaml" >bad.yaml
  run_ringk 78 launch bad.yaml
  has "$stderr" "bad.yaml:"
  sed 's/ctx.emit(port::out, line)/ctx.emti(port::out, line)/' "$T/copy.yaml" >bad.yaml
  run_ringk 78 launch bad.yaml
  has "$stderr" "bad.yaml:"
  has "$stderr" emti
  sed '/code: |/,/RK_HANDLER/d; s/    accepts:/    source: nowhere.hpp\n    accepts:/' "$T/copy.yaml" >bad.yaml
  run_ringk 78 launch bad.yaml
  has "$stderr" nowhere.hpp
}

@test "an input or output that there is not is 2, before anything is touched" {
  topologies
  echo kept >copy.dead.jsonl
  start copy "$T/copy.yaml"
  run_ringk 2 launch "$T/copy.yaml" --in nope=x
  has "$stderr" "there is no input 'nope'"
  run_ringk 2 launch "$T/copy.yaml" --out copeis=x
  has "$stderr" "there is no output 'copeis': did you mean 'copies'?"
  run_ringk 2 launch -d "$T/copy.yaml" --replace --out lines=x
  has "$stderr" "there is no output 'lines'"
  same "dead letters" kept "$(cat copy.dead.jsonl)"
  run_ringk 0 status copy
}

@test "a summary that cannot be made is 74 at the start" {
  topologies
  echo kept >copy.dead.jsonl
  ids 1 >in
  local file
  for file in nowhere/summary.json . in/summary.json; do
    run_shell 74 "ringk launch \$T/copy.yaml --summary $file <in"
    same "stdout" "" "$output"
    has "$stderr" "$file: the summary cannot be written: "
    run_ringk 74 launch -d "$T/copy.yaml" --summary "$file"
  done
  same "dead letters" kept "$(cat copy.dead.jsonl)"
  run_shell 0 'ringk launch $T/copy.yaml --summary summary.json <in'
  same "handled" 1 "$(jq .totals.handled summary.json)"
}

@test "a run until a count goes on while a timer may reach it" {
  topologies
  timed() {  # UNTIL COUNT
    sed '/^inputs:/,/^outputs:/d; /^    stdout: jsonl/,$d; /^  copies:/d' "$T/copy.yaml"
    cat <<YAML
inputs:
  once: {values: [{id: 1}], message: Line}
  ticks: {every: 20ms, message: Line, value: {id: 2}$2}
outputs:
  copies: {stdout: jsonl}
wires:
  once: copy
  ticks: copy
  copy.out: copies
$1
YAML
  }
  timed 'run: {until: {output: copies, count: 5}}' >until.yaml
  run_shell 0 'timeout 60 "$RINGK" launch until.yaml </dev/null'
  [ "${#lines[@]}" -ge 5 ]
  # No more can come: it ends.
  timed 'run: {until: {output: copies, count: 5}}' ', count: 2' >until.yaml
  run_shell 0 'timeout 60 "$RINGK" launch until.yaml </dev/null'
  same "lines" 3 "${#lines[@]}"
  timed '' >until.yaml
  run_shell 0 'timeout 60 "$RINGK" launch until.yaml </dev/null'
  [ "${#lines[@]}" -lt 5 ]
}

@test "wrong usage of launch is 2" {
  topologies
  run_ringk 2 launch
  run_ringk 2 launch "$T/copy.yaml" --in nonsense
  run_ringk 2 launch "$T/copy.yaml" --workers 0
  run_ringk 2 launch -d "$T/copy.yaml" --out copies=-
  run_ringk 2 launch "$T/copy.yaml" --replace --if-absent
}

@test "a device that is not there is 69 where the topology insists" {
  topologies
  "$RINGK" list devices --json | jq -e '.devices[] | select(.name | startswith("cuda")) | .available' && skip "there is one"
  sed 's/    accepts:/    backend: cuda\n    accepts:/' "$T/copy.yaml" >cuda.yaml
  run_shell 69 'ringk launch cuda.yaml </dev/null'
}

@test "where no kernel goes to a GPU, the compiler for GPUs is not opened" {
  topologies
  run_shell 0 'RINGK_CUDA_LIBRARY=/nowhere LD_DEBUG=files ringk launch $T/copy.yaml </dev/null'
  has "$stderr" "/nowhere"
  same "opened" "" "$(grep nvrtc <<<"$stderr" || true)"
}

@test "a full disk is 74" {
  topologies
  ids 1 2 3 >in
  run_shell 74 'ringk launch $T/copy.yaml <in >/dev/full'
  run_shell 74 'ringk launch $T/copy.yaml --out copies=/dev/full <in'
  has "$stderr" "No space left"
}

@test "standard output that its reader closed is 141" {
  topologies
  ids 1 2 3 >in
  mkfifo pipe
  : <pipe &
  exec 4>pipe
  wait $!
  run_shell 141 'ringk launch $T/copy.yaml <in >&4'
  exec 4>&-
}

# signalled SIGNAL: launches copy.yaml on a pipe, sends a line, waits for it to be handled, then
# signals; gives the exit code.
signalled() {
  mkfifo to
  # Job control, else the shell has background processes ignore SIGINT.
  set -m
  "$RINGK" launch "$T/copy.yaml" <to >out 2>err &
  set +m
  local pid=$! code=0
  exec 4>to
  ids 1 >&4
  eventually "$RINGK" status copy --wait ready 2>/dev/null >/dev/null
  eventually grep -q id out
  kill "-$1" "$pid"
  wait "$pid" || code=$?
  exec 4>&-
  echo "$code"
}

@test "SIGTERM drains and is 0" {
  topologies
  same "exit code" 0 "$(signalled TERM)"
  same "id" 1 "$(jq .id out)"
}

@test "SIGINT drains and is 130" {
  topologies
  same "exit code" 130 "$(signalled INT)"
  same "id" 1 "$(jq .id out)"
}

@test "a second signal forces the end, and is 143" {
  topologies
  mkfifo to
  set -m
  "$RINGK" launch "$T/slow.yaml" --set run.on_signal_drain=60s --set kernels.slow.params.ms=500 <to >out 2>err &
  set +m
  local pid=$! code=0
  exec 4>to
  seq -f '{"id":%.0f}' 100 >&4
  eventually "$RINGK" status slow --wait ready 2>/dev/null >/dev/null
  kill -INT "$pid"
  eventually grep -q draining err
  kill -INT "$pid"
  wait "$pid" || code=$?
  exec 4>&-
  same "exit code" 143 "$code"
}

# drained: the last status says that everything ended somewhere, and the dead letters why.
drained() {
  same "balanced" true "$(jq .balanced sum.json)"
  same "in flight" 0 "$(jq .totals.in_flight sum.json)"
  same "handled, written" true "$(jq '.totals.handled == .totals.written' sum.json)"
  same "reasons" drain_timeout "$(jq -r .reason slow.dead.jsonl | sort -u)"
  same "lines" "$(jq .totals.lines sum.json)" $(($(wc -l <out) + $(wc -l <slow.dead.jsonl)))
}

@test "what the drain limit leaves is in the dead letters, and what was handled is written" {
  topologies
  mkfifo to
  "$RINGK" launch "$T/slow.yaml" --summary sum.json --set kernels.slow.launch.input_queue_capacity=16 <to >out 2>err &
  local pid=$! code=0
  exec 4>to
  seq -f '{"id":%.0f}' 500 >&4
  eventually grep -q id out
  kill -TERM "$pid"
  wait "$pid" || code=$?
  exec 4>&-
  same "exit code" 1 "$code"
  has "$(cat err)" "the time to drain was over"
  drained
}

@test "a signal limits the drain that the end of the input began" {
  topologies
  seq -f '{"id":%.0f}' 200 >in
  "$RINGK" launch "$T/slow.yaml" --summary sum.json --set kernels.slow.params.ms=100 <in >out 2>err &
  local pid=$! code=0
  draining() { [ "$("$RINGK" status slow --json 2>/dev/null | jq -r .state)" = draining ]; }
  eventually draining
  run_ringk 1 stop slow --timeout 15s
  wait "$pid" || code=$?
  same "exit code" 1 "$code"
  drained
}

@test "a standard stream that its caller closed is not taken for another file" {
  topologies
  ids 1 >in
  run_shell 66 'ringk launch $T/copy.yaml <&-'
  has "$stderr" "standard input"
  run_shell 74 'ringk launch $T/copy.yaml <in >&-'
  has "$stderr" "standard output"
  run_shell 0 'ringk launch $T/copy.yaml <in 2>&-'
  same "id" 1 "$(jq .id <<<"$output")"
  run_shell 0 'ringk launch $T/copy.yaml --in lines=in --out copies=out <&- >&- 2>&-'
  same "id" 1 "$(jq .id out)"
}

@test "the summary goes to standard output where it is asked to, after the data" {
  topologies
  ids 1 2 >in
  run_shell 0 'ringk launch $T/copy.yaml --summary - <in'
  same "ids" "1 2" "$(sed -n 1,2p <<<"$output" | jq .id | xargs)"
  same "written" 2 "$(sed -n 3p <<<"$output" | jq .totals.written)"
  run_shell 74 'ringk launch $T/copy.yaml --out copies=out --summary - <in >/dev/full'
  run_ringk 2 launch -d "$T/copy.yaml" --summary -
}

@test "the log is text or JSON lines, from the level that is asked for" {
  topologies
  cat >talk.yaml <<'YAML'
ringk: 1
name: talk
messages:
  Line:
    x: f64
kernels:
  talk:
    accepts: [Line]
    code: |
      RK_HANDLER void on_message(Context& ctx, const Line& line) {
        ctx.log(LogLevel::Info, "low", line.x);
        ctx.log(LogLevel::Error, "a \"quoted\" word", 1 / line.x);
      }
inputs:
  lines:
    stdin: jsonl
    message: Line
wires:
  lines: talk
YAML
  printf '{"x":4}\n{"x":0}\n' >in
  run_shell 0 'ringk launch talk.yaml <in'
  has "$stderr" 'error talk/talk: a "quoted" word 0.25'
  [[ $stderr != *low* ]]
  RINGK_LOG=info run_shell 0 'ringk launch talk.yaml <in'
  has "$stderr" "info talk/talk: low 4"
  # Every line, what the run itself says among them.
  RINGK_LOG_FORMAT=json run_shell 0 'ringk launch talk.yaml <in'
  same "lines" 4 "$(jq -s length <<<"$stderr")"
  same "values" "0.25 null" "$(jq -r 'select(.kernel) | .value' <<<"$stderr" | xargs)"
  same "levels" "error error info info" "$(jq -r .level <<<"$stderr" | sort | xargs)"
  has "$(jq -r .text <<<"$stderr")" "2 lines, 0 bad"
  RINGK_LOG=loud run_shell 2 'ringk launch talk.yaml <in'
  has "$stderr" "RINGK_LOG is debug, info, warning or error"
  RINGK_LOG_FORMAT=xml run_shell 2 'ringk launch talk.yaml <in'
}

@test "a name that is taken gets the process id behind it" {
  topologies
  start copy "$T/copy.yaml"
  ids 1 >in
  run_shell 0 'ringk launch $T/copy.yaml <in'
  [[ $stderr =~ copy-[0-9]+ ]]
  same "id" 1 "$(jq .id <<<"$output")"
}

@test "inputs and outputs are redirected, values set, overlays merged" {
  topologies
  ids 5 15 25 >in.jsonl
  run_ringk 0 launch "$T/limit.yaml" --in lines=in.jsonl --out copies=out.jsonl
  same "stdout" "" "$output"
  same "ids" "5" "$(jq -r .id out.jsonl | xargs)"
  run_ringk 0 launch "$T/limit.yaml" --in lines=in.jsonl --set kernels.below.params.limit=20
  same "ids" "5 15" "$(jq -r .id <<<"$output" | xargs)"
  printf 'kernels:\n  below:\n    params:\n      limit: 30\n' >more.yaml
  run_ringk 0 launch "$T/limit.yaml" --in lines=in.jsonl --with more.yaml --name other
  same "ids" "5 15 25" "$(jq -r .id <<<"$output" | xargs)"
  has "$stderr" "other: ready"
}

@test "the block that a field names gets the message, wherever each type has the field" {
  cat >blocks.yaml <<'YAML'
ringk: 1
name: blocks
messages:
  Narrow: {id: u32, block: u32}
  Wide: {block: u64, id: u32}
kernels:
  where:
    accepts: [Narrow, Wide]
    emits: {out: Narrow}
    launch: {grid_size: 4}
    code: |
      RK_HANDLER void on_message(Context& ctx, const Narrow& m) {
        ctx.emit(port::out, Narrow{m.id, ctx.block()});
      }
      RK_HANDLER void on_message(Context& ctx, const Wide& m) {
        ctx.emit(port::out, Narrow{m.id, ctx.block()});
      }
inputs:
  mixed: {stdin: jsonl}
outputs:
  out: {stdout: jsonl}
wires:
  mixed: {to: where, route: {block: block}}
  where.out: out
YAML
  printf '{"type":"%s","id":%s,"block":%s}\n' \
    Narrow 10 3 Wide 21 2 Wide 33 1 Narrow 41 6 >in
  run_shell 0 'ringk launch blocks.yaml <in'
  same "blocks" "10:3 21:2 33:1 41:2" "$(jq -r '"\(.id):\(.block)"' <<<"$output" | sort | xargs)"
}
