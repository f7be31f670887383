load helper

@test "list names the built-ins, the devices and no topology" {
  run_ringk 0 list --json
  same "schema" ringk.list/1 "$(json .schema)"
  same "builtins" "echo discard" "$(json '[.builtins[].name] | join(" ")')"
  same "cpu" true "$(json '.devices[] | select(.name == "cpu") | .available')"
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
    "$(json '[.checks[] | select(.outcome == "missing" and (.name | test("^(backend|nvrtc)") | not)).name] | join(" ")')"
  long=$PWD/$(printf 'x%.0s' {1..100})
  RINGK_RUNTIME_DIR=$long run_ringk 69 doctor --json
  has "$(json '.checks[] | select(.outcome == "failed").detail')" "too long"
}

@test "list and doctor tell what a GPU can do, and why one cannot be used" {
  export RINGK_CUDA_LIBRARY=$RK_LISTING_DRIVER
  run_ringk 0 list devices
  has "$output" "cuda0"
  has "$output" "NVIDIA H100 80GB HBM3, compute capability 9.0, 132 SMs, 80.0 GiB, driver for CUDA 13.2"
  has "$output" "MPS, P2P with cuda1"
  has "$output" "display watchdog; not available: its compute capability is 7.0, and 7.5 is the oldest"
  run_ringk 0 list devices --json
  same "uuid" GPU-abababab-abab-abab-abab-abababababab "$(json .devices[1].gpu.uuid)"
  same "peers" "[1] []" "$(json '"\(.devices[1].gpu.peers) \(.devices[2].gpu.peers)"')"
  same "watchdog, clusters" "true false" \
    "$(json '"\(.devices[2].gpu.watchdog) \(.devices[2].gpu.cluster_launch)"')"
  run_ringk 0 doctor --json
  same "usable" "cuda0:ok cuda1:missing" "$(json '[.checks[] | select(.name | startswith("backend cuda"))
    | "\(.name[8:]):\(.outcome)"] | join(" ")')"
}

@test "where CUDA does not start, one sentence says why" {
  export RINGK_CUDA_LIBRARY=$RK_LISTING_DRIVER
  local code
  for code in "34 stub" "35 older" "100 no GPU" "802 fabricmanager" "803 restart" "804 forward" \
    "999 modules" "3 CUDA_ERROR_OF_TEST (as it was told)"; do
    RK_CUINIT=${code%% *} run_ringk 0 list devices --json
    same "name" cuda "$(json .devices[1].name)"
    has "$(json .devices[1].reason)" "${code#* }"
  done
  CUDA_LAUNCH_BLOCKING=1 run_ringk 0 list devices
  has "$output" "not available: CUDA_LAUNCH_BLOCKING is set"
  CUDA_LAUNCH_BLOCKING=0 run_ringk 0 list devices
  has "$output" cuda0
  RINGK_CUDA_LIBRARY=$PWD/nowhere.so run_ringk 0 list devices
  has "$output" "not available: there is no NVIDIA driver: $PWD/nowhere.so"
  RINGK_CUDA_LIBRARY=libm.so.6 run_ringk 0 doctor
  has "$output" "libm.so.6 has no cuInit"
}

@test "a driver that does not answer cannot be used, and the call is told" {
  export RINGK_CUDA_LIBRARY=$RK_SIMULATED_DRIVER
  RK_SIMULATED_FAILS=cuDriverGetVersion run_ringk 0 list devices
  has "$output" "the NVIDIA driver does not tell its version: CUDA_ERROR_UNKNOWN"
  RK_SIMULATED_FAILS=cuDeviceGetCount run_ringk 0 list devices
  has "$output" "the devices cannot be counted"
}

@test "doctor does without NVRTC, and says so" {
  RINGK_NVRTC_LIBRARY=$PWD/nowhere.so run_ringk 0 doctor --json
  same "outcome" missing "$(json '.checks[] | select(.name == "nvrtc").outcome')"
  has "$(json '.checks[] | select(.name == "nvrtc").detail')" "NVRTC is not on this machine"
}
