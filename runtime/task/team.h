/**
 * @file team.h
 * Multi-rank tasks within one process: a room in which members meet.
 */
#ifndef ECH_TASK_TEAM_H
#define ECH_TASK_TEAM_H

#include "runtime/task/run.h"

enum { ECH_TEAM_RANKS_MAX = 256 };

/** Opaque: where members that are threads exchange data. */
typedef struct ech_team_room ech_team_room;

/** @param in_turn  one member runs at a time, each until it waits for the others. */
ech_status ech_team_room_create(uint32_t count, bool in_turn, ech_team_room **out);
void ech_team_room_destroy(ech_team_room **room);

/** An `ech_team.exchange`; `room` is an ech_team_room. */
ech_status ech_team_room_exchange(void *room, uint32_t member, const void *mine, size_t bytes,
                                  void *all);
/** In turn: returns when it is this member's turn to begin. */
void ech_team_room_enter(ech_team_room *room, uint32_t member);
/** This member will exchange no more. */
void ech_team_room_leave(ech_team_room *room, uint32_t member);

/** Run all members of a multi-rank task in this process, in turn: what the serial executor does. */
void ech_team_run_in_turn(ech_executor *executor, const ech_call *call, uint32_t count,
                          ech_outcome *outcome);

#endif
