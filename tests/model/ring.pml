/* The bounded queue of runtime/task/pool/ring.h: PRODUCERS put values in batches, CONSUMERS take
 * them in batches, over several laps of its slots. Each load, store and compare-and-swap of the C
 * code is one step here, and all interleavings of them are looked at.
 *
 * Claims: a slot is written only while it is empty and read only while it is full, no value is lost
 * or taken twice, values leave in the order of their positions, and the parties come to their ends.
 *
 * Compile with -DBROKEN to see it fail: a batch then claims slots of which it has looked at the
 * first only.
 */
#ifndef PRODUCERS
#define PRODUCERS 2
#endif
#ifndef CONSUMERS
#define CONSUMERS 2
#endif
#ifndef SLOTS
#define SLOTS 2 /* a power of two */
#endif
#ifndef BATCH
#define BATCH 2
#endif
#ifndef EACH
#define EACH 2 /* values that one producer puts */
#endif
#define VALUES (PRODUCERS * EACH)

byte turn[SLOTS];  /* lap l: 2 l empty, 2 l + 1 full */
byte value[SLOTS]; /* 1 to VALUES; 0: nothing */
byte head;
byte tail;

byte taken[VALUES + 1]; /* how often */
byte taken_count;
byte put_at[VALUES + 1]; /* the value at each position, written by its producer */
bool busy[SLOTS]; /* between a claim of the slot and the store that ends it */

/* The C functions ech_ring_run and ech_ring_claim. `length` is 0 if there was nothing to claim. */
inline claim(end, count, filled)
{
    position = end;
    do
    :: true ->
        length = 0;
        do
        :: length < count ->
            seen = turn[(position + length) % SLOTS];
            if
            :: seen != 2 * ((position + length) / SLOTS) + filled -> break
            :: else -> length++
            fi
#ifdef BROKEN
            ; length = count; break
#endif
        :: else -> break
        od;
        if
        :: length == 0 ->
            seen = end;
            if
            :: seen == position -> break
            :: else -> position = seen
            fi
        :: else ->
            atomic { /* the compare-and-swap */
                if
                :: end == position ->
                    end = position + length;
                    break
                :: else -> position = end
                fi
            }
        fi
    od
}

proctype producer(byte first)
{
    byte position, length, seen, i, next, want;
    next = 0;
    do
    :: next < EACH ->
        want = (EACH - next < BATCH -> EACH - next : BATCH);
        claim(tail, want, 0);
        i = 0;
        do
        :: i < length ->
            atomic {
                assert(turn[(position + i) % SLOTS] == 2 * ((position + i) / SLOTS));
                assert(!busy[(position + i) % SLOTS]);
                busy[(position + i) % SLOTS] = true;
                value[(position + i) % SLOTS] = first + next;
                put_at[position + i] = first + next
            };
            atomic {
                busy[(position + i) % SLOTS] = false;
                turn[(position + i) % SLOTS] = 2 * ((position + i) / SLOTS) + 1
            };
            next++;
            i++
        :: else -> break
        od
    :: else -> break
    od
}

proctype consumer()
{
    byte position, length, seen, i, got;
    do
    :: taken_count < VALUES ->
        claim(head, BATCH, 1);
        i = 0;
        do
        :: i < length ->
            atomic {
                assert(turn[(position + i) % SLOTS] == 2 * ((position + i) / SLOTS) + 1);
                assert(!busy[(position + i) % SLOTS]);
                busy[(position + i) % SLOTS] = true;
                got = value[(position + i) % SLOTS];
                value[(position + i) % SLOTS] = 0
            };
            atomic {
                busy[(position + i) % SLOTS] = false;
                turn[(position + i) % SLOTS] = 2 * ((position + i) / SLOTS) + 2
            };
            atomic {
                assert(got > 0 && got == put_at[position + i]);
                taken[got]++;
                assert(taken[got] == 1);
                taken_count++
            };
            i++
        :: else -> break
        od
    :: else -> break
    od
}

init
{
    byte n;
    atomic {
        n = 0;
        do
        :: n < PRODUCERS -> run producer(1 + n * EACH); n++
        :: else -> break
        od;
        n = 0;
        do
        :: n < CONSUMERS -> run consumer(); n++
        :: else -> break
        od
    };
    (_nr_pr == 1);
    assert(taken_count == VALUES && head == VALUES && tail == VALUES)
}
