/* Workers that sleep: backends/cpu/event_count.hpp with enqueue(), wait_awake() and park() of
   backends/cpu/scheduler.cpp. Two threads enqueue blocks, two workers take them, spin one at a time
   and sleep, then the workers are stopped. All that was enqueued is taken and every worker ends; naps
   are left out, so nothing but a notification wakes.

   MUTANT 1: a waiter announces itself by a plain store. 2: a block is enqueued by a plain store. 3:
   stop by a plain store. */

#ifndef MUTANT
#define MUTANT 0
#endif

#define BLOCKS 2 /* of each thread */

#define THREADS 5 /* producers 0 and 1, workers 2 and 3, who stops 4 */
/* Each producer's cursor is a word of its own, so that a plain store of it makes sense. */
#define PUSHED(p) (p)
#define POPPED 2
#define EPOCH 3
#define WAITERS(w) (2 + (w)) /* 4 and 5: one bit of the count each */
#define SPINNING 6
#define STOPPING 7
#define WORDS 8

#include "store_buffers.pml"

#define QUEUED (mem[PUSHED(0)] + mem[PUSHED(1)] > mem[POPPED])
#define SOMEBODY_WAITS (mem[WAITERS(2)] + mem[WAITERS(3)] > 0)

byte taken = 0;
bool asleep[THREADS];

/* EventCount::notify(). The look comes after a read-modify-write of the caller. */
inline notify(thread, all) {
  if
  :: SOMEBODY_WAITS ->
    FETCH_ADD(thread, EPOCH, 1);
    atomic {
      if
      :: asleep[2] -> asleep[2] = false; if :: all -> asleep[3] = false :: else fi
      :: asleep[3] -> asleep[3] = false; if :: all -> asleep[2] = false :: else fi
      :: else
      fi
    }
  :: else
  fi
}

proctype Producer(byte id) {
  byte k = 0;
  do
  :: k == BLOCKS -> break
  :: k < BLOCKS ->
#if MUTANT == 2
    STORE(id, PUSHED(id), k + 1);
#else
    FETCH_ADD(id, PUSHED(id), 1);
#endif
    if
    :: mem[SPINNING] == 0 -> notify(id, false)
    :: else
    fi;
    k++
  od
}

inline pop(thread, found) {
  atomic {
    found = false;
    if
    :: QUEUED -> DRAINED(thread); mem[POPPED] = mem[POPPED] + 1; taken++; found = true
    :: else
    fi
  }
}

proctype Worker(byte id) {
  byte epoch;
  bool found, won;
  do
  :: mem[STOPPING] -> break
  :: else ->
    pop(id, found);
    if
    :: found -> skip
    :: else ->
      /* wait_awake(): it may find something, or give up at any time. */
      if
      :: true ->
        atomic {
          DRAINED(id);
          won = (mem[SPINNING] == 0);
          if :: won -> mem[SPINNING] = 1 :: else fi
        }
        if
        :: won ->
          pop(id, found);
          EXCHANGE(id, SPINNING, 0, epoch);
          if :: QUEUED -> notify(id, false) :: else fi
        :: else
        fi
      :: true
      fi;
      if
      :: found -> skip
      :: else ->
        /* park() */
        epoch = mem[EPOCH];
#if MUTANT == 1
        STORE(id, WAITERS(id), 1);
#else
        FETCH_ADD(id, WAITERS(id), 1);
#endif
        if
        :: mem[STOPPING] || QUEUED -> skip
        :: else ->
          /* The system call looks at the epoch and sleeps at once; it is no fence of the user's. */
          atomic {
            if :: mem[EPOCH] == epoch -> asleep[id] = true :: else fi
          }
          !asleep[id]
        fi;
        EXCHANGE(id, WAITERS(id), 0, epoch)
      fi
    fi
  od
}

proctype Stopper() {
  byte old;
  taken == 2 * BLOCKS;
#if MUTANT == 3
  STORE(4, STOPPING, 1);
#else
  EXCHANGE(4, STOPPING, 1, old);
#endif
  notify(4, true)
}

init {
  byte i;
  atomic {
    for (i : 0 .. THREADS - 1) { run Buffer(i) }
    run Producer(0);
    run Producer(1);
    run Worker(2);
    run Worker(3);
    run Stopper()
  }
}
