/* What a host keeps of a set of shards is within its memory, whatever the set, ranks and hosts. */
#include <criterion/criterion.h>

#include "apps/fit/fit_shards_room.h"

enum { WORKERS = 4, SAMPLE_BYTES = 11, BATCH = 8 };

static uint64_t offsets[WORKERS + 1] = {0, 100, 100, 350, 400};

static ech_shards make_set(uint64_t tests)
{
    return (ech_shards){
        .info = {.samples = {400, tests}, .channels = 1, .height = 2, .width = 5, .classes = 2},
        .workers = WORKERS,
        .offsets = offsets,
    };
}

static ech_fit_shards_host make_host(uint64_t memory_bytes, uint32_t ranks, bool has_strays)
{
    return (ech_fit_shards_host){.samples = 300,
                                 .ranks = ranks,
                                 .has_strays = has_strays,
                                 .batch = BATCH,
                                 .memory_bytes = memory_bytes};
}

Test(shards_room, without_a_bound_all_is_kept)
{
    const ech_shards set = make_set(70);
    ech_fit_shards_host host = make_host(UINT64_MAX, 3, false);
    ech_fit_shards_room room = ech_fit_shards_room_of(&set, &host);
    cr_expect_eq(room.samples, 300);
    cr_expect_eq(room.tests, 70);
    cr_expect_eq(room.stage, 0, "nobody trains what is not here");
    host.has_strays = true;
    room = ech_fit_shards_room_of(&set, &host);
    cr_expect_eq(room.samples, 300);
    cr_expect_eq(room.stage, 250, "the largest worker may come");
}

Test(shards_room, what_is_kept_and_held_is_within_the_memory)
{
    for (uint64_t tests = 0; tests <= 70; tests += 70) {
        const ech_shards set = make_set(tests);
        for (uint64_t memory = 1; memory < 20000; memory += 37) {
            for (uint32_t ranks = 1; ranks <= 4; ranks++) {
                for (int strays = 0; strays < 2; strays++) {
                    const ech_fit_shards_host host = make_host(memory, ranks, strays == 1);
                    const ech_fit_shards_room room = ech_fit_shards_room_of(&set, &host);
                    const uint64_t held = room.samples + room.tests + ranks * room.stage;
                    cr_assert_leq(held * SAMPLE_BYTES, memory);
                    cr_assert(room.samples == 0 || room.samples == 300, "all or none");
                    cr_assert_leq(room.stage, 250);
                }
            }
        }
    }
}

Test(shards_room, what_does_not_fit_is_held_by_the_rank_that_trains_it)
{
    const ech_shards set = make_set(0);
    const uint64_t all = 300 * SAMPLE_BYTES;
    ech_fit_shards_host host = make_host(all, 2, false);
    cr_expect_eq(ech_fit_shards_room_of(&set, &host).samples, 300);
    host.memory_bytes = all - 1;
    cr_expect_eq(ech_fit_shards_room_of(&set, &host).samples, 0);
    cr_expect_eq(ech_fit_shards_room_of(&set, &host).stage, 149);
    host = make_host(all + 2 * BATCH * SAMPLE_BYTES, 2, true);
    cr_expect_eq(ech_fit_shards_room_of(&set, &host).samples, 300);
    cr_expect_eq(ech_fit_shards_room_of(&set, &host).stage, BATCH);
    host.memory_bytes--;
    cr_expect_eq(ech_fit_shards_room_of(&set, &host).samples, 0);
    host.memory_bytes = 2 * BATCH * SAMPLE_BYTES - 1;
    cr_expect_lt(ech_fit_shards_room_of(&set, &host).stage, ech_fit_shards_least(&set, BATCH));
}
