load helper

# vectors N: N structs of the topology's Vector.
vectors() {
  python3 -c 'import struct, sys
for i in range(int(sys.argv[1])):
    sys.stdout.buffer.write(struct.pack("=Q3f4x", i, 3.0 * i, 4.0 * i, 0.5))' "$1"
}

@test "raw reads and writes structs" {
  topology raw
  own_tests raw
  vectors 1000 > vectors.bin
  run_shell 0 "ringk launch raw.yaml < vectors.bin > lengths.bin"
  python3 - <<'END'
import struct
found = list(struct.iter_unpack("=Qd", open("lengths.bin", "rb").read()))
assert found == [(i, 25.0 * i * i + 0.25) for i in range(1000)], found[:3]
END
}

@test "raw tells of bytes that are no whole struct" {
  topology raw
  vectors 2 | head -c 40 > vectors.bin
  run_shell 1 "ringk launch raw.yaml < vectors.bin > lengths.bin"
  same "the whole one was handled" 16 "$(stat -c %s lengths.bin)"
  same "the rest is a dead letter" "truncated 2" "$(jq -r '"\(.reason) \(.line)"' raw.dead.jsonl)"
}
