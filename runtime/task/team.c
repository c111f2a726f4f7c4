#include "runtime/task/team.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "runtime/base/memory.h"
#include "runtime/task/executor_priv.h"
#include "runtime/task/ticks.h"

typedef enum { MEMBER_RUNS, MEMBER_WAITS, MEMBER_LEFT } member_state;

typedef struct {
    member_state state;
    const void *mine;
    void *all;
    size_t bytes;
    ech_status met; /* how the last meeting ended */
} room_member;

struct ech_team_room {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint32_t count;
    bool in_turn;
    uint32_t turn;
    room_member members[];
};

ech_status ech_team_room_create(uint32_t count, bool in_turn, ech_team_room **out)
{
    ech_team_room *room = ech_calloc(1, sizeof *room + count * sizeof(room_member));
    *out = room;
    if (room == NULL) {
        return ECH_ERR_MEMORY;
    }
    room->count = count;
    room->in_turn = in_turn;
    pthread_mutex_init(&room->lock, NULL);
    pthread_cond_init(&room->changed, NULL);
    return ECH_OK;
}

void ech_team_room_destroy(ech_team_room **room)
{
    if (room == NULL || *room == NULL) {
        return;
    }
    pthread_cond_destroy(&(*room)->changed);
    pthread_mutex_destroy(&(*room)->lock);
    ech_free(*room);
    *room = NULL;
}

static uint32_t count_in(const ech_team_room *room, member_state state)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < room->count; i++) {
        count += room->members[i].state == state ? 1 : 0;
    }
    return count;
}

static ech_status copy_parts(ech_team_room *room)
{
    const size_t bytes = room->members[0].bytes;
    for (uint32_t i = 0; i < room->count; i++) {
        if (room->members[i].bytes != bytes) {
            return ECH_ERR_ARGUMENT;
        }
    }
    for (uint32_t to = 0; to < room->count; to++) {
        for (uint32_t from = 0; from < room->count; from++) {
            memcpy((char *)room->members[to].all + from * bytes, room->members[from].mine, bytes);
        }
    }
    return ECH_OK;
}

/* Everybody who has not left waits: the meeting takes place, or fails for want of those who left.
 */
static void meet_if_all_came(ech_team_room *room)
{
    if (count_in(room, MEMBER_RUNS) > 0 || count_in(room, MEMBER_WAITS) == 0) {
        return;
    }
    const ech_status met = count_in(room, MEMBER_LEFT) == 0 ? copy_parts(room) : ECH_ERR_TASK;
    for (uint32_t i = 0; i < room->count; i++) {
        if (room->members[i].state == MEMBER_WAITS) {
            room->members[i].state = MEMBER_RUNS;
            room->members[i].met = met;
        }
    }
}

static void pass_turn(ech_team_room *room)
{
    for (uint32_t i = 1; i <= room->count; i++) {
        const uint32_t next = (room->turn + i) % room->count;
        if (room->members[next].state == MEMBER_RUNS) {
            room->turn = next;
            return;
        }
    }
}

static void wait_for_turn(ech_team_room *room, uint32_t member)
{
    while (room->members[member].state != MEMBER_RUNS || (room->in_turn && room->turn != member)) {
        pthread_cond_wait(&room->changed, &room->lock);
    }
}

static ech_status explain(ech_status met)
{
    switch (met) {
    case ECH_OK:
        return ECH_OK;
    case ECH_ERR_ARGUMENT:
        return ech_fail(met,
                        "the members of a multi-rank task exchange different numbers of bytes");
    default:
        return ech_fail(met, "a member of the multi-rank task ended without exchanging");
    }
}

ech_status ech_team_room_exchange(void *room_of_team, uint32_t member, const void *mine,
                                  size_t bytes, void *all)
{
    ech_team_room *room = room_of_team;
    pthread_mutex_lock(&room->lock);
    room->members[member].state = MEMBER_WAITS;
    room->members[member].mine = mine;
    room->members[member].bytes = bytes;
    room->members[member].all = all;
    meet_if_all_came(room);
    pass_turn(room);
    pthread_cond_broadcast(&room->changed);
    wait_for_turn(room, member);
    const ech_status met = room->members[member].met;
    pthread_mutex_unlock(&room->lock);
    return explain(met);
}

void ech_team_room_enter(ech_team_room *room, uint32_t member)
{
    pthread_mutex_lock(&room->lock);
    wait_for_turn(room, member);
    pthread_mutex_unlock(&room->lock);
}

void ech_team_room_leave(ech_team_room *room, uint32_t member)
{
    pthread_mutex_lock(&room->lock);
    room->members[member].state = MEMBER_LEFT;
    meet_if_all_came(room);
    pass_turn(room);
    pthread_cond_broadcast(&room->changed);
    pthread_mutex_unlock(&room->lock);
}

/* One member of a task that runs in turn, on a thread of its own. */
typedef struct {
    ech_executor *executor;
    ech_task_context *outer;
    ech_team_room *room;
    ech_team team;
    ech_call call;
    ech_outcome outcome;
    char message[ECH_OUTCOME_MESSAGE_BYTES];
    unsigned char *result; /* of members other than 0: nobody sees it */
    pthread_t thread;
} seat;

/* The executor's innermost task changes hands with the turn. */
static ech_status exchange_in_turn(void *self, uint32_t member, const void *mine, size_t bytes,
                                   void *all)
{
    seat *taken = self;
    ech_task_context *context = taken->executor->current;
    const ech_status status = ech_team_room_exchange(taken->room, member, mine, bytes, all);
    taken->executor->current = context;
    return status;
}

static void *run_seat(void *argument)
{
    seat *taken = argument;
    ech_team_room_enter(taken->room, taken->team.member);
    taken->executor->current = taken->outer;
    ech_run_call(taken->executor, &taken->call, ech_ticks(), &taken->outcome);
    snprintf(taken->message, sizeof taken->message, "%s", taken->outcome.message);
    ech_team_room_leave(taken->room, taken->team.member);
    return NULL;
}

static ech_status take_seat(seat *taken, ech_executor *executor, ech_team_room *room,
                            const ech_call *call, uint32_t member, uint32_t count)
{
    taken->executor = executor;
    taken->outer = executor->current;
    taken->room = room;
    taken->call = *call;
    taken->team =
        (ech_team){.member = member, .count = count, .self = taken, .exchange = exchange_in_turn};
    taken->call.team = &taken->team;
    if (member == 0) {
        return ECH_OK;
    }
    taken->result = ech_alloc(call->result_capacity);
    taken->call.result = taken->result;
    return taken->result == NULL ? ECH_ERR_MEMORY : ECH_OK;
}

static ech_status run_seats(ech_executor *executor, seat *seats, uint32_t count)
{
    uint32_t started = 0;
    ech_status status = ECH_OK;
    for (; started < count && status == ECH_OK; started++) {
        if (pthread_create(&seats[started].thread, NULL, run_seat, &seats[started]) != 0) {
            status = ech_fail(ECH_ERR_SYSTEM, "cannot start a thread for member %u", started);
            break;
        }
    }
    for (uint32_t i = started; i < count; i++) {
        ech_team_room_leave(seats[0].room, i);
    }
    for (uint32_t i = 0; i < started; i++) {
        pthread_join(seats[i].thread, NULL);
    }
    executor->current = seats[0].outer;
    return status;
}

static void outcome_of_seats(const seat *seats, uint32_t count, ech_outcome *outcome)
{
    *outcome = seats[0].outcome;
    for (uint32_t i = 0; i < count; i++) {
        if (seats[i].outcome.status != ECH_OK) {
            *outcome = seats[i].outcome;
            ech_fail(outcome->status, "%s", seats[i].message);
            outcome->message = ech_status_message();
            return;
        }
    }
}

static ech_status seat_all(ech_executor *executor, seat *seats, ech_team_room *room,
                           const ech_call *call, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const ech_status status = take_seat(&seats[i], executor, room, call, i, count);
        if (status != ECH_OK) {
            return status;
        }
    }
    return run_seats(executor, seats, count);
}

void ech_team_run_in_turn(ech_executor *executor, const ech_call *call, uint32_t count,
                          ech_outcome *outcome)
{
    ech_team_room *room = NULL;
    seat *seats = ech_calloc(count, sizeof *seats);
    ech_status status = seats == NULL ? ECH_ERR_MEMORY : ech_team_room_create(count, true, &room);
    if (status == ECH_OK) {
        status = seat_all(executor, seats, room, call, count);
    }
    if (status == ECH_OK) {
        outcome_of_seats(seats, count, outcome);
    } else {
        *outcome = (ech_outcome){.status = status,
                                 .rank = (uint32_t)executor->rank,
                                 .host = (uint16_t)executor->host,
                                 .ended_ticks = ech_ticks(),
                                 .message = ech_status_message()};
    }
    for (uint32_t i = 0; seats != NULL && i < count; i++) {
        ech_free(seats[i].result);
    }
    ech_free(seats);
    ech_team_room_destroy(&room);
}
