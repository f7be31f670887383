# ringk check --compile and ringk build.
load helper

needs_nvrtc() {
  ringk doctor --json | jq -e '.checks[] | select(.name == "nvrtc").outcome == "ok"' >/dev/null ||
    skip "NVRTC is not on this machine"
}

# root.yaml, with a handler that only the CPU can run.
cpu_only() {
  mkdir -p handlers
  cat >handlers/root.hpp <<'CPP'
#include <ringkernel/handler.hpp>
#include <cmath>
RK_HANDLER void on_message(Context& ctx, const Number& number) {
  ctx.emit(port::out, Number{std::sqrt(number.value)});
}
CPP
  cat >root.yaml <<'YAML'
ringk: 1
name: root
messages:
  Number: {value: f64}
kernels:
  root:
    source: handlers/root.hpp
    accepts: [Number]
    emits: {out: Number}
inputs:
  numbers: {stdin: jsonl, message: Number}
outputs:
  roots: {stdout: jsonl}
wires:
  numbers: root
  root.out: roots
YAML
}

@test "a handler for the CPU alone is a warning for auto, an error for cuda, at its own line" {
  needs_nvrtc
  cpu_only
  run_ringk 0 check --compile root.yaml
  has "$stderr" "ringk: warning: root: does not compile for CUDA (sm_75), and will run on the CPU:"
  has "$stderr" "handlers/root.hpp:2:"
  has "$output" "0 errors, 1 warning in 1 file"
  run_ringk 78 check --compile root.yaml --set kernels.root.backend=cuda
  has "$stderr" "ringk: error: root: does not compile for CUDA (sm_75):"
  has "$stderr" "handlers/root.hpp:2:"
  has "$output" "1 error, 0 warnings"
  run_ringk 0 check --compile root.yaml --set kernels.root.backend=cpu
  same "nothing to say" "" "$stderr"
}

@test "check --compile says what handlers take of each generation of GPUs" {
  needs_nvrtc
  T=$RK_SOURCE/tests/cli/topologies
  run_ringk 0 check --compile -v "$T/copy.yaml"
  has "$output" "REGISTERS"
  has "$output" "sm_90"
  has "$output" "0 errors, 0 warnings"
  run_ringk 0 check --compile --json "$T/copy.yaml"
  same "schemas" "ringk.check/1 ringk.build/1" "$(json '"\(.schema) \(.built[0].schema)"')"
  same "spilled" 0 "$(json '[.built[0].handlers[] | select(.target != "cpu").spilled] | add')"
  run_ringk 2 check -v "$T/copy.yaml"
}

@test "without nvJitLink, handlers are compiled whole" {
  needs_nvrtc
  export RINGK_NVJITLINK_LIBRARY=$PWD/nowhere.so RINGK_CACHE_DIR=$PWD/cache
  run_ringk 0 doctor
  has "$output" "compiled whole for want of nvJitLink"
  run_ringk 0 build "$RK_SOURCE/tests/cli/topologies/copy.yaml" --arch sm_90 --json
  same "spilled" 0 "$(json '[.handlers[] | select(.target == "sm_90").spilled] | add')"
  same "compiled" true "$(json '[.handlers[] | select(.target == "sm_90").compiled] | all')"
}

@test "a handler that calls what is nowhere does not compile, and the call is named" {
  needs_nvrtc
  cpu_only
  sed -i 's/<cmath>/<ringkernel\/handler.hpp>\n__device__ double lost(double);/; s/std::sqrt/lost/' \
    handlers/root.hpp
  run_ringk 78 check --compile root.yaml --set kernels.root.backend=cuda
  has "$stderr" "lost"
}

@test "without NVRTC, compiling for CUDA is skipped, and said once" {
  export RINGK_NVRTC_LIBRARY=$PWD/nowhere.so
  T=$RK_SOURCE/tests/cli/topologies
  run_ringk 0 check --compile "$T/copy.yaml" "$T/limit.yaml"
  same "lines" 1 "$(grep -c "skipped: NVRTC is not on this machine" <<<"$stderr")"
  run_ringk 69 build "$T/copy.yaml" --arch sm_90
  has "$stderr" "skipped: NVRTC is not on this machine"
  run_ringk 0 build "$T/copy.yaml"
  same "nothing to say" "" "$stderr"
}

@test "build compiles ahead of time, and the second time finds it done" {
  T=$RK_SOURCE/tests/cli/topologies
  export RINGK_CACHE_DIR=$PWD/cache
  run_ringk 0 build "$T/copy.yaml"
  has "$output" "cpu     compiled"
  run_ringk 0 build "$T/copy.yaml" --json
  same "compiled" false "$(json .handlers[0].compiled)"
  run_ringk 2 build "$T/copy.yaml" --arch fast
  run_ringk 66 build nowhere.yaml
  needs_nvrtc
  run_ringk 0 build "$T/copy.yaml" --arch sm_80,sm_90
  has "$output" "sm_80   compiled"
  run_ringk 0 build "$T/copy.yaml" --arch sm_80 --arch sm_90 -v
  has "$output" "sm_90   ready"
  run_ringk 2 build "$T/copy.yaml" --arch sm_33
  has "$stderr" "does not compile for 'sm_33'"
}

@test "build for this machine's GPUs asks the driver" {
  needs_nvrtc
  RINGK_CUDA_LIBRARY=$RK_LISTING_DRIVER run_ringk 0 build "$RK_SOURCE/tests/cli/topologies/copy.yaml"
  has "$output" sm_90
  [[ $output != *sm_70* ]]
}

@test "with build --headers, a handler's file can be read by itself" {
  cpu_only
  run_ringk 0 build root.yaml --headers handlers
  has "$(cat handlers/compile_flags.txt)" "$PWD/handlers/root.ringk.hpp"
  "${CXX:-g++}" $(cat handlers/compile_flags.txt) -fsyntax-only handlers/root.hpp
  run_ringk 0 build root.yaml --headers handlers
  echo -Wall >handlers/compile_flags.txt
  run_ringk 74 build root.yaml --headers handlers
  has "$stderr" "not from ringk"
  cp -r "$RK_SOURCE/configs/fraud" . && chmod -R u+w fraud
  run_ringk 0 build fraud/fraud.yaml --headers fraud
  "${CXX:-g++}" $(cat fraud/compile_flags.txt) -fsyntax-only fraud/handlers/score.hpp
}
