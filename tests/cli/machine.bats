load helper

@test "list names the built-ins, the devices and no topology" {
  run_ringk 0 list --json
  same "schema" ringk.list/1 "$(json .schema)"
  same "builtins" "echo discard" "$(json '[.builtins[].name] | join(" ")')"
  same "cpu" true "$(json '.devices[] | select(.name == "cuda" | not) | .available')"
  same "topologies" "[]" "$(json ".topologies | tojson")"
  run_ringk 0 list builtins
  has "$output" "echo"
  [[ $output != *DEVICE* ]]
}

@test "doctor finds a machine that can run ringk, and says where things are" {
  run_ringk 0 doctor --json
  same "schema" ringk.doctor/1 "$(json .schema)"
  same "usable" true "$(json .usable)"
  same "runtime folder" "$XDG_RUNTIME_DIR/ringk" \
    "$(json '.checks[] | select(.name == "runtime folder").detail')"
  has "$(json '.checks[] | select(.name == "compiler").detail')" "a handler in"
  run_ringk 0 doctor -o json
  same "usable" true "$(json .usable)"
  run_ringk 0 list -o json
  same "schema" ringk.list/1 "$(json .schema)"
  run_ringk 0 doctor
  has "$output" "backend cpu"
}

@test "doctor without a compiler is 69, and says so" {
  RINGK_CXX=/nowhere/g++ run_ringk 69 doctor --json
  same "usable" false "$(json .usable)"
  same "the one" compiler "$(json '.checks[] | select(.outcome == "failed").name')"
}

@test "doctor shows what a compiler that cannot compile says" {
  printf '#!/bin/sh\necho "out of licences" >&2\nexit 1\n' >broken-cxx
  chmod +x broken-cxx
  RINGK_CXX=$PWD/broken-cxx run_ringk 69 doctor
  has "$output" "does not compile handlers"
}

@test "doctor knows folders that cannot be used" {
  mkdir -m 755 open
  RINGK_RUNTIME_DIR=$PWD/open run_ringk 69 doctor --json
  has "$(json '.checks[] | select(.outcome == "failed").detail')" "chmod 700"
  touch file
  RINGK_CACHE_DIR=$PWD/file/cache RINGK_STATE_DIR=$PWD/file/state run_ringk 0 doctor --json
  same "missing" "cache state folder" \
    "$(json '[.checks[] | select(.outcome == "missing" and (.name | startswith("backend") | not)).name] | join(" ")')"
  long=$PWD/$(printf 'x%.0s' {1..100})
  RINGK_RUNTIME_DIR=$long run_ringk 69 doctor --json
  has "$(json '.checks[] | select(.outcome == "failed").detail')" "too long"
}
