# How the command line answers what it does not understand, and what it always understands.
load helper

@test "help and version go to standard output and succeed" {
  run_ringk 0 --version
  [[ $output =~ ^ringk\ [0-9]+\.[0-9]+\.[0-9]+$ ]]
  run_ringk 0 --help
  has "$output" "usage: ringk COMMAND"
  same "stderr" "" "$stderr"
  run_ringk 0 help send
  has "$output" "Usage: ringk send [OPTIONS] TARGET [MESSAGE...]"
  local command
  for command in $(ringk --help | sed -nE 's/^.{10}([a-z]+) +[a-z].*/\1/p'); do
    run_ringk 0 "$command" --help
    has "$output" "Usage: ringk $command"
  done
}

@test "wrong usage exits 2 with one line and a hint, and nothing on standard output" {
  local args
  while read -r args; do
    # shellcheck disable=SC2086
    run_ringk 2 $args
    same "stdout of ringk $args" "" "$output"
    same "lines on stderr of ringk $args" 2 "$(wc -l <<<"$stderr")"
    has "$stderr" "ringk: error: "
    has "$stderr" "try: ringk "
  done <<'LINES'

--bogus
frobnicate
send
send x --timeout 5
send x --timeout -1s
send x --wait idle
send a/b/c
send x/
status --wait never
status -o xml
status --watch=x
status a b
suspend
stop
stop x --all
list everything
--color sometimes list
LINES
}

@test "what can be no name of a topology is wrong usage" {
  local T=$RK_SOURCE/tests/cli/topologies name command
  for name in 'Bad Name' '' a.b 9x "$(printf 'a%.0s' {1..65})"; do
    for command in launch check test; do
      run_ringk 2 "$command" "$T/copy.yaml" --name "$name"
      has "$stderr" "'$name' is no name of a topology"
    done
  done
  run_ringk 0 check "$T/copy.yaml" --name "$(printf 'a%.0s' {1..64})"
  for command in send status suspend resume stop; do
    run_ringk 2 "$command" 'Bad Name/x'
    has "$stderr" "'Bad Name' is no name of a topology"
  done
}

@test "an empty message is wrong usage" {
  local message
  for message in '' ' ' $'\n'; do
    run_ringk 2 send nobody '{"id":1}' "$message"
    has "$stderr" "an empty message"
    run_ringk 2 send nobody --reply "$message"
  done
}

@test "a slip is met with what was meant" {
  run_ringk 2 stauts
  has "$stderr" "did you mean 'status'?"
  run_ringk 2 send x --tmeout 5s
  has "$stderr" "did you mean '--timeout'?"
}

@test "an expression that is none is wrong usage, before anything is asked" {
  run_ringk 2 status nobody --fail-if 'failed >'
  has "$stderr" "column 9"
}

@test "a topology that does not run is 69, but has stopped" {
  run_ringk 69 status nobody
  has "$stderr" "no topology named 'nobody' is running"
  run_ringk 69 send nobody '{}'
  run_ringk 69 stop nobody
  run_ringk 69 suspend nobody
  run_ringk 69 status nobody --wait idle
  run_ringk 69 status
  has "$stderr" "no topology is running"
  run_ringk 0 stop nobody --if-running
  run_ringk 0 status nobody --wait stopped
}

@test "send does not wait for its input when nobody runs to take it" {
  mkfifo never  # opened for reading and writing: neither bytes nor an end ever come
  run_shell 69 'ringk send nobody <>never'
}

@test "colour is asked for or left away" {
  run_ringk 69 status nobody
  [[ $stderr != *$'\e'* ]]
  run_ringk 69 --color always status nobody
  [[ $stderr == *$'\e[31m'* ]]
  unset NO_COLOR
  run_ringk 69 status nobody
  [[ $stderr != *$'\e'* ]]
}

@test "a runtime folder that others may enter is refused" {
  mkdir -m 755 open
  RINGK_RUNTIME_DIR=$PWD/open run_ringk 69 list topologies
  has "$stderr" "chmod 700"
}

@test "standard output that is closed or full is told apart" {
  mkfifo pipe
  : <pipe &
  exec 4>pipe
  wait $!
  run_shell 141 'ringk list >&4'
  exec 4>&-
  run_shell 74 'ringk list >/dev/full'
  has "$stderr" "No space left"
}
