# What becomes of every kind of line: a message, or a dead letter with its number and reason.
load helper

topologies() { T=$RK_SOURCE/tests/cli/topologies; export T; }
answers() { jq -r '"\(.line) \(.reason)"' kinds.dead.jsonl; }

@test "marks, line ends and blank lines are no part of a message" {
  topologies
  printf '\xef\xbb\xbf{"id":1}\r\n\r\n \t\n\n{"id":2}\n\xef\xbb\xbf{"id":3}\n{"id":4}' >in
  run_shell 1 'ringk launch $T/kinds.yaml <in'
  same "ids" "1 2 4" "$(jq -r .id <<<"$output" | xargs)"
  has "$stderr" "4 lines, 1 bad"
  # A mark is one only where the bytes begin.
  same "bad lines" "6 not_json" "$(answers)"
}

@test "each mistake has its answer" {
  topologies
  local n=0
  while IFS=' ' read -r reason line; do
    printf '%s\n' "$line"
    n=$((n + 1))
    echo "$n $reason" >>expected
  done >in <<'LINES'
wrong_type {"id":"1"}
wrong_type {"id":1.0}
wrong_type {"id":null}
missing_field {"i":1}
missing_field {"id":1,"inner":{}}
unknown_field {"id":1,"more":2}
unknown_field {"id":1,"inner":{"a":1,"b":2}}
out_of_range {"id":18446744073709551616}
out_of_range {"id":-1}
out_of_range {"id":1,"i":9223372036854775808}
out_of_range {"id":1,"f":1e999}
out_of_range {"id":1,"g":3.4028236e38}
out_of_range {"id":1,"inner":{"a":256}}
string_too_long {"id":1,"s":"sixsix"}
string_too_long {"id":1,"data":"AAECAwQ="}
bad_base64 {"id":1,"data":"AAE"}
bad_base64 {"id":1,"data":"AAF="}
bad_base64 {"id":1,"data":"A A="}
unknown_name {"id":1,"colour":"blue"}
list_too_long {"id":1,"list":[1,2,3]}
repeated_field {"id":1,"id":1}
repeated_field {"id":1,"inner":{"a":1,"a":1}}
two_documents {"id":1}{"id":2}
two_documents {"id":1} {"id":2}
not_json {"id":1},
not_json {"id":1
not_json {"id":1,}
not_json {"id":01}
not_json {"id":1,"f":NaN}
not_json {"id":1,"s":"a	b"}
not_json {"id":1,"s":"\ud800"}
not_json nonsense
not_an_object [1]
not_an_object "id"
LINES
  run_shell 1 'ringk launch $T/kinds.yaml <in'
  same "stdout" "" "$output"
  same "answers" "$(cat expected)" "$(answers)"
  has "$(cat kinds.dead.jsonl)" "field 'inner.a' stands twice"
  has "$(cat kinds.dead.jsonl)" "field 'inner.b' is not declared"
  printf '{"id":1,"s":"\xff"}\n{"id":\xc3}\n' >in
  run_shell 1 'ringk launch $T/kinds.yaml <in'
  same "answers" "1 bad_utf8 2 bad_utf8" "$(answers | xargs)"
}

@test "a deep nest is refused, whether its field is read or not" {
  topologies
  { printf '{"id":1,"x":'; printf '[%.0s' {1..5000}; printf ']%.0s' {1..5000}; echo '}'; echo '{"id":2}'; } >in
  run_shell 1 'ringk launch $T/kinds.yaml <in'
  same "id" 2 "$(jq -r .id <<<"$output")"
  same "answer" "1 unknown_field" "$(answers)"
  run_shell 1 'ringk launch $T/kinds.yaml --set inputs.lines.unknown_fields=ignore <in'
  same "id" 2 "$(jq -r .id <<<"$output")"
  same "answer" "1 too_deep" "$(answers)"
}

@test "numbers keep their value, and bytes and strings theirs" {
  topologies
  cat >in <<'LINES'
{"id":18446744073709551615,"i":-9223372036854775808,"f":1.7976931348623157e+308,"g":3.4028235e+38}
{"id":0,"i":9223372036854775807,"f":5e-324,"g":1e-45}
{"id":1,"i":0,"f":-0,"g":0.1,"s":"é\"\\\n","data":"AP8Q/w==","colour":"green","inner":{"a":255},"list":[]}
{"id":2,"f":0.30000000000000004,"s":"","data":"","list":[65535,0]}
LINES
  run_shell 0 'ringk launch $T/kinds.yaml <in'
  # As text: jq's own numbers are doubles.
  has "${lines[0]}" '{"id":18446744073709551615,"i":-9223372036854775808,"f":1.7976931348623157e+308,"g":3.4028235e+38,'
  has "${lines[1]}" '{"id":0,"i":9223372036854775807,"f":5e-324,"g":1e-45,'
  same "third" '{"id":1,"i":0,"f":-0,"g":0.1,"s":"é\"\\\n","data":"AP8Q/w==","colour":"green","inner":{"a":255},"list":[]}' "${lines[2]}"
  has "${lines[3]}" '"f":0.30000000000000004,"g":null,"s":"","data":"",'
}

@test "a line past 16 MiB is skipped without being held" {
  topologies
  mkfifo to
  "$RINGK" launch "$T/kinds.yaml" <to >out 2>err &
  local pid=$! code=0 before after
  exec 4>to
  echo '{"id":1}' >&4
  eventually grep -q id out
  peak() { awk '/VmHWM/ {print $2}' "/proc/$pid/status"; }
  before=$(peak)
  { printf '{"id":2,"s":"'; head -c 300000000 /dev/zero | tr '\0' a; printf '"}\n{"id":3}\n'; } >&4
  eventually grep -q '"id":3' out
  after=$(peak)
  exec 4>&-
  wait "$pid" || code=$?
  same "exit code" 1 "$code"
  same "ids" "1 3" "$(jq -r .id out | xargs)"
  same "answer" "2 line_too_long" "$(answers)"
  echo "kB before: $before, after: $after"
  [ $((after - before)) -lt 200000 ]
}

@test "lines that ask for a reply get the same answers, with their numbers" {
  topologies
  start quote "$T/quote.yaml"
  { printf '\xef\xbb\xbf{"n":1}\r\n\r\n{"m":1}\n'; head -c 17000000 /dev/zero | tr '\0' a; printf '\n{"n":2}'; } >in
  run_shell 1 'ringk send quote --reply <in'
  same "replies" "2 4" "$(jq -r .twice <<<"$output" | xargs)"
  has "$stderr" "line 3: unknown_field"
  has "$stderr" "line 4: line_too_long"
  has "$stderr" "4 lines, 2 accepted, 2 bad"
  run_ringk 0 status quote --json
  same "bad" 2 "$(json '.inputs[0].bad')"
  same "dead letters" "3 unknown_field 4 line_too_long" \
    "$(jq -r '"\(.line) \(.reason)"' "$XDG_STATE_HOME/ringk/quote/quote.dead.jsonl" | xargs)"
}
