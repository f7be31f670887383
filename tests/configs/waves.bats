load helper

# npy FILE...: what numpy.load() would find in each, and how many bytes of it.
npy() {
  python3 - "$@" <<'END'
import ast, struct, sys
for file in sys.argv[1:]:
    data = open(file, "rb").read()
    assert data[:8] == b"\x93NUMPY\x01\x00", data[:8]
    end = 10 + struct.unpack("<H", data[8:10])[0]
    assert end % 64 == 0
    header = ast.literal_eval(data[10:end].decode())
    print(header["descr"], header["fortran_order"], header["shape"], len(data) - end)
END
}

@test "waves runs its tests, with several threads too, and they save nothing" {
  topology waves
  own_tests waves
  own_tests waves --threads 4
  same "files" "handlers pulse.npy pulse.py waves.yaml" "$(echo *)"
}

@test "waves goes on where another run has ended" {
  topology waves
  ./pulse.py >made.npy
  cmp made.npy pulse.npy
  run_shell 0 "echo '{\"pairs\":60}' | ringk launch waves.yaml"
  same "at the end" '{"steps":120,"middle":' "${output:0:22}"
  same "the array" "<f4 False (32, 32) 4096" "$(npy u.npy)"
  mkdir whole
  mv u.npy v.npy whole
  for launch in 1 2; do
    from=pulse.npy,pulse.npy
    [ $launch = 1 ] || from=u.npy,v.npy
    run_shell 0 "printf '{\"pairs\":%s}\n' 10 20 | ringk launch waves.yaml \
      --set kernels.drum.buffers.u.load=${from%,*} --set kernels.drum.buffers.v.load=${from#*,}"
  done
  cmp u.npy whole/u.npy
  cmp v.npy whole/v.npy
}

@test "a membrane of another size needs a file of that size" {
  topology waves
  run_ringk 78 check waves.yaml --set kernels.drum.constants.N=64
  has "$stderr$output" "buffers.u: pulse.npy holds float32 (32, 32), the topology says f32[64,64]"
  ./pulse.py 64 >large.npy
  run_shell 0 "echo '{\"pairs\":1}' | ringk launch waves.yaml --set kernels.drum.constants.N=64 \
    --set kernels.drum.buffers.u.load=large.npy --set kernels.drum.buffers.v.load=large.npy"
  same "the arrays" "$(printf '<f4 False (64, 64) 16384\n%.0s' 1 2)" "$(npy u.npy v.npy)"
}

@test "waves saves as well where it is stopped, and where its kernel is" {
  topology waves
  start waves waves.yaml --out heights=heights.jsonl
  run_shell 0 "ringk send --wait handled waves/clock '{\"pairs\":3}'"
  [ ! -e u.npy ]
  run_ringk 0 stop waves
  mkdir stopped
  mv u.npy v.npy stopped
  start waves waves.yaml --out heights=heights.jsonl
  run_shell 0 "ringk send --wait handled waves/clock '{\"pairs\":3}'"
  run_ringk 0 stop waves/drum
  cmp u.npy stopped/u.npy
  cmp v.npy stopped/v.npy
  rm u.npy
  run_ringk 0 stop waves
  [ ! -e u.npy ]
}
