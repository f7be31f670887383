/* make_room() of device/step.hpp where a message goes to two rings at once: room is needed in both,
   and the sender looks at one after the other while both receivers make room. It may rest only if
   the ring it was found full on is the one it has asked.

   MUTANT 1: it asks the first full ring only. 2: it asks by a plain store. */

#ifndef MUTANT
#define MUTANT 0
#endif

#define CAPACITY 1
#define MESSAGES 3

#define THREADS 3 /* the sender 0, receivers 1 and 2 */
#define TAIL(r) ((r) - 1)
#define HEAD(r) (1 + (r))
#define WANT(r) (3 + (r))
#define SIGNAL(block) (6 + (block))
#define WORDS 9

#include "store_buffers.pml"

#define SCHEDULED 1
#define ROOM 2
#define NEWS 4

inline raise(thread, block, bits) {
  FETCH_OR(thread, SIGNAL(block), (bits) | SCHEDULED, old)
}

inline rest(thread) {
  atomic {
    DRAINED(thread);
    if
    :: mem[SIGNAL(thread)] == SCHEDULED -> mem[SIGNAL(thread)] = 0
    :: else -> skip
    fi
  }
}

/* room_for_messages(): 0, or the first ring that is full. */
inline look(lack) {
  if
  :: sent - mem[HEAD(1)] >= CAPACITY -> lack = 1
  :: else ->
    if
    :: sent - mem[HEAD(2)] >= CAPACITY -> lack = 2
    :: else -> lack = 0
    fi
  fi
}

proctype Sender() {
  byte sent = 0, lack, asked, old;
scheduled:
  mem[SIGNAL(0)] & SCHEDULED;
  EXCHANGE(0, SIGNAL(0), SCHEDULED, old);
  do
  :: sent == MESSAGES -> break
  :: sent < MESSAGES ->
    look(lack);
    asked = 0;
    do
    :: lack == 0 || lack == asked -> break
    :: else ->
#if MUTANT == 2
      STORE(0, WANT(lack), 1);
#else
      EXCHANGE(0, WANT(lack), 1, old);
#endif
      asked = lack;
      look(lack);
#if MUTANT == 1
      break
#endif
    od;
    if
    :: lack != 0 -> rest(0); goto scheduled
    :: else -> skip
    fi;
    sent++;
    STORE(0, TAIL(1), sent);
    raise(0, 1, NEWS);
    STORE(0, TAIL(2), sent);
    raise(0, 2, NEWS)
  od
}

proctype Receiver(byte me) {
  byte taken = 0, old;
  do
  :: taken == MESSAGES -> break
  :: taken < MESSAGES ->
    mem[SIGNAL(me)] & SCHEDULED;
    EXCHANGE(me, SIGNAL(me), SCHEDULED, old);
    do
    :: mem[TAIL(me)] == taken -> break
    :: else ->
      taken++;
      STORE(me, HEAD(me), taken);
      EXCHANGE(me, WANT(me), 0, old);
      if
      :: old -> raise(me, 0, ROOM)
      :: else -> skip
      fi
    od;
    rest(me)
  od
}

init {
  atomic {
    mem[SIGNAL(0)] = SCHEDULED;
    run Buffer(0);
    run Buffer(1);
    run Buffer(2);
    run Sender();
    run Receiver(1);
    run Receiver(2)
  }
}
