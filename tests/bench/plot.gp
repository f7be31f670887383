# Draws what plot.py left in `folder` into `picture`.
set terminal svg size 1200,760 font "sans-serif,13" background rgb "white"
set output picture
set multiplot layout 2,3 title heading
set logscale x
set grid
set style data errorlines
set bars small
set pointsize 0.5
set yrange [0:*]
set format y "%.0f M"
set ylabel "messages/s"

file(sweep, series) = folder . "/" . sweep . "." . series . ".dat"
spaced(series) = system("echo " . series . " | tr _ ' '")

array sweep[5] = ["payload", "kernels", "blocks", "capacity", "types"]
array label[5] = ["payload, bytes", "kernels between source and sink", "blocks of the middle kernel", \
                  "queue capacity, messages", "message types"]
do for [i=1:5] {
  kernels = sweep[i] eq "kernels"
  set xlabel label[i]
  set ylabel kernels ? "messages handled/s, in all kernels" : "messages/s"
  if (kernels) { set logscale x 10; set format x "10^{%L}" } else { set logscale x 2; set format x "%.0b%B" }
  if (sweep[i] eq "payload" || sweep[i] eq "blocks") { set key top right } else { set key bottom center }
  series = "1_worker 2_workers" . (sweep[i] eq "payload" ? " 1_worker_queues_of_64" : "")
  plot for [s in series] file(sweep[i], s) using 1:($2/1e6):($3/1e6):($4/1e6) title spaced(s)
}

unset logscale x
set logscale y
set yrange [*:*]
set xrange [0:100]
set format x "%.0f %%"
set format y "%g"
set xlabel "load of configs/fraud, of its capacity"
set ylabel "latency, us"
set key top left
plot file("load", "p50") title "p50", file("load", "p99") title "p99", file("load", "p99.9") title "p99.9"
unset multiplot
