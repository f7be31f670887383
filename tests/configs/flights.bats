load helper

# What the handler computes, written again in another language.
expected() {
  jq -r '.[] | [.origin, .delay] | @tsv' "$RK_SOURCE/tests/data/flights-10k.json" | awk '
    { n[$1]++; sum[$1] += $2; if ($2 >= 15) late[$1]++
      if (n[$1] == 1 || $2 < min[$1]) min[$1] = $2
      if (n[$1] == 1 || $2 > max[$1]) max[$1] = $2 }
    END { for (a in n) printf "%s %d %d %d %.9f %.9f\n", a, n[a], min[a], max[a], sum[a] / n[a], late[a] / n[a] }' |
    sort
}

@test "flights agrees with an independent computation about every airport" {
  topology flights
  own_tests flights
  run_shell 0 "jq -c '.[]' $RK_SOURCE/tests/data/flights-10k.json |
    ringk launch flights.yaml --summary summary.json > airports.jsonl"
  expected > expected.txt
  same "airports" 201 "$(wc -l < expected.txt)"
  jq -r '[.airport, .flights, .min, .max, .mean, .delayed] | @tsv' airports.jsonl |
    awk '{ printf "%s %d %d %d %.9f %.9f\n", $1, $2, $3, $4, $5, $6 }' | sort > found.txt
  same_file expected.txt found.txt
  same "all flights" 10000 "$(jq .totals.handled summary.json)"
}

@test "flights gives the same bytes on one block and on many, with any number of workers" {
  topology flights
  jq -c '.[]' "$RK_SOURCE/tests/data/flights-10k.json" > flights.jsonl
  for blocks in 1 3 16; do
    for workers in 1 4; do
      run_shell 0 "ringk launch flights.yaml --workers $workers \
        --set kernels.delays.launch.grid_size=$blocks < flights.jsonl > $blocks-$workers.jsonl"
      same_lines 1-1.jsonl "$blocks-$workers.jsonl"
    done
  done
}
