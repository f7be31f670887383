# scripts/gpu.sh, on the simulated GPU and without one.
load ../cli/helper

@test "gpu.sh without a GPU says so and exits 77" {
  export RINGK_CUDA_LIBRARY=/nowhere/libcuda.so.1
  run_shell 77 "$RK_SOURCE/scripts/gpu.sh --build $RK_BUILD results"
  has "$stderr" "no GPU: there is no NVIDIA driver"
}

@test "gpu.sh runs steps, and leaves a table and JSON" {
  run_shell 0 "$RK_SOURCE/scripts/gpu.sh --build $RK_BUILD --only echo,Y1 results"
  has "$output" "| Y1 launch, warm, p50 |"
  same "steps" "echo ok Y1 ok" "$(jq -r '[.steps[] | .step, .result] | join(" ")' results/steps.json)"
  same "figures of its own" true "$(jq '.table | map(select(.job == "Y1 activate, p50")) | .[0].ringkernel > 0' results/ladder.json)"
}

@test "a host is killed only once its kernel has answered" {
  run_shell 0 "$RK_SOURCE/scripts/gpu.sh --build $RK_BUILD --only echo,after-a-kill results"
  has "$(cat results/after-a-kill.out)" "its kernel had answered when the victim was killed"
  has "$(cat results/after-a-kill.out)" '"job":"first echo"'
  local ladder=$RK_BUILD/tests/cuda/ringkernel_gpu_ladder
  RK_SIMULATED_FAILS=cuFuncLoad run_shell 1 "$RK_SOURCE/tests/cuda/killed.sh $RINGK $ladder"
  has "$stderr" "the victim ended before its kernel had answered"
  printf '#!/bin/sh\necho ready >&2\nsleep 1\n' >ready_alone
  chmod +x ready_alone
  run_shell 1 "$RK_SOURCE/tests/cuda/killed.sh $PWD/ready_alone $ladder"
  has "$stderr" "the victim ended before its kernel had answered"
}

@test "gpu.sh tells its usage" {
  run_shell 2 "$RK_SOURCE/scripts/gpu.sh --bild $RK_BUILD"
  has "$stderr" "usage: gpu.sh"
  run_shell 2 "$RK_SOURCE/scripts/gpu.sh --build ."
  has "$stderr" "has no ringk"
}

@test "the ladder has a figure for what an idle block reads, for a block's own wire and for volume" {
  run_shell 0 "$RK_BUILD/tests/cuda/ringkernel_gpu_ladder --tiny I1 K1 V1"
  local job
  for job in "I1 read over the bus by 1 idle block" \
    "K1 two hops of one block to itself, device memory" \
    "K1 two hops of one block to itself, its own shared memory" \
    "V1 through the host and back, in order, none lost or doubled" \
    "V1 between kernels of the device, in order, none lost or doubled"; do
    same "$job" true "$(jq -s --arg job "$job" '[.[] | select(.job == $job)][0].value > 0' <<<"$output")"
  done
  same "of volume" "500 500" "$(jq -r -s '[.[] | select(.unit == "messages") | .value] | join(" ")' <<<"$output")"
}
