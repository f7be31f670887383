/* device/spmc_ring.hpp: a producer with a published cursor, two consumers that claim runs of up to
   two messages and give them back in any order, CAPACITY slots. Each message is taken once, and none
   is overwritten while it is read.

   MUTANT 1: a claim by a load and a plain store. 2: the producer takes any turn for one of this lap.
   3: a run is given back before it is read. */

#ifndef MUTANT
#define MUTANT 0
#endif

#define CAPACITY 2
#define MESSAGES 5

#define THREADS 3 /* the producer 0, consumers 1 and 2 */
#define TAIL 0
#define HEAD 1
#define TURN(p) (2 + (p) % CAPACITY)
#define SLOT(p) (2 + CAPACITY + (p) % CAPACITY)
#define WORDS (2 + 2 * CAPACITY)

#include "store_buffers.pml"

byte times[MESSAGES]; /* each message was taken so often */

proctype Producer() {
  byte tail = 0, freed = 0, end;
  do
  :: tail == MESSAGES -> break
  :: tail < MESSAGES && tail - freed < CAPACITY ->
    STORE(0, SLOT(tail), tail + 1);
    tail++;
    STORE(0, TAIL, tail)
  :: tail < MESSAGES && freed != tail ->
    end = mem[TURN(freed)];
    if
    :: MUTANT == 2 && end > 0 -> freed++
    :: MUTANT != 2 && end > freed -> freed = end
    :: else -> /* waits until that changes */
      mem[TURN(freed)] != end
    fi
  od
}

inline claim(id, head, n, done) {
#if MUTANT == 1
  if
  :: mem[HEAD] == head -> STORE(id, HEAD, head + n); done = true
  :: else -> done = false
  fi
#else
  atomic {
    DRAINED(id);
    if
    :: mem[HEAD] == head -> mem[HEAD] = head + n; done = true
    :: else -> done = false
    fi
  }
#endif
}

proctype Consumer(byte id) {
  byte head, n, i;
  bool done;
  do
  :: mem[HEAD] >= MESSAGES -> break
  :: mem[HEAD] < mem[TAIL] ->
    head = mem[HEAD];
    n = mem[TAIL] - head;
    if
    :: n == 0 || n > CAPACITY -> skip /* another was faster */
    :: else ->
      if
      :: n > 1 -> n = 1
      :: true -> skip
      fi;
      claim(id, head, n, done);
      if
      :: done ->
#if MUTANT == 3
        STORE(id, TURN(head), head + n);
#endif
        i = 0;
        do
        :: i == n -> break
        :: i < n ->
          assert(mem[SLOT(head + i)] == head + i + 1);
          times[head + i]++;
          assert(times[head + i] == 1);
          i++
        od;
#if MUTANT != 3
        STORE(id, TURN(head), head + n)
#endif
      :: else -> skip
      fi
    fi
  od
}

init {
  byte i;
  atomic {
    for (i : 0 .. THREADS - 1) { run Buffer(i) }
    run Producer();
    run Consumer(1);
    run Consumer(2)
  }
  /* Buffers stay; everybody else has ended. */
  _nr_pr == 1 + THREADS;
  for (i : 0 .. MESSAGES - 1) { assert(times[i] == 1) }
}
