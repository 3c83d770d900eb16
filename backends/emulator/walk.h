/* One core of the generated hardware in the middle of a step, and what a call of the kernel has
 * recorded of its senders. */

#ifndef SPIKELOOM_WALK_H
#define SPIKELOOM_WALK_H

#include "kernel.h"

#include <string.h>

enum { LANES = 64, SLOTS = 8, LEAST = 2 }; /* LEAST: as in hdl/cycles.py */

/* A core in the middle of a step. Cycles count from the step's start. */
typedef struct {
    int64_t at;                  /* when the first synapse of the last row was due, at the earliest */
    int64_t through[LANES];      /* when each lane has done all that it was handed */
    int64_t room[LANES];         /* when each lane has room for another row */
    int64_t left[LANES][SLOTS];  /* when its last rows left its queue, row k in slot k mod SLOTS */
    uint32_t rows[LANES];        /* how many it was handed */
    int64_t last;                /* when all of them are through */
    int64_t learned;             /* when the last plastic row is */
    int64_t free, prepared;      /* when another one may begin, and be prepared */
} Core;

static void begin(const Counter *c, Core *core)
{
    core->at = -1;
    core->last = 0;
    core->learned = core->free = core->prepared = -((int64_t)1 << 40);
    for (int64_t l = 0; l < c->lanes; l++) {
        core->through[l] = core->room[l] = core->rows[l] = 0;
        memset(core->left[l], 0, sizeof core->left[l]);
    }
}

/* A lane is handed its part of a row whose first synapse is due at `at`. */
static inline void hand(const Counter *c, Core *core, int l, int32_t cost, int64_t at)
{
    int64_t from = core->through[l] > at ? core->through[l] : at;
    uint32_t row = core->rows[l]++;
    core->through[l] = from + cost;
    core->last = from + cost > core->last ? from + cost : core->last;
    core->left[l][row % SLOTS] = from;
    core->room[l] = core->left[l][(row + 1 - (uint32_t)c->queue) % SLOTS] + c->pass;
}

static inline int64_t later(int64_t a, int64_t b) { return a > b ? a : b; }

/* A plastic row: all lanes walk it together. Returns when it is due. */
static inline int64_t learn(const Counter *c, Core *core, int32_t cost, int64_t at)
{
    int64_t made = cost >> MADE, taken = cost & ((1 << MADE) - 1);
    at = later(at, core->prepared);
    core->prepared = at + made;
    int64_t from = later(at + c->prepare + made, later(core->free, core->last + c->after_rows));
    core->learned = from + later(taken, made - LEAST);
    core->free = from + later(taken, made);
    return at;
}

/* The rows with parts first … end. `earliest` is positive and later than a row that never was: zero. */
static inline void walk_parts(const Counter *c, Core *core, int64_t first, int64_t end,
                              int64_t earliest)
{
    int64_t at = core->at;
    while (first < end) {
        int64_t k = first;
        at = later(at + 1, earliest);
        if ((c->part[k] & LANE) == PLASTIC) {
            at = learn(c, core, c->cost[first++], at);
            continue;
        }
        at = later(at, core->learned + c->after_plastic);
        do {
            int64_t room = core->room[c->part[k] & LANE];
            at = room > at ? room : at;
        } while (!(c->part[k++] & LAST_PART));
        for (; first < k; first++) hand(c, core, c->part[first] & LANE, c->cost[first], at);
    }
    core->at = at;
}

static inline int lowest_bit(uint64_t set)
{
#if defined(__GNUC__)
    return __builtin_ctzll(set);
#else
    int bit = 0;
    for (; !(set & 1); set >>= 1) bit++;
    return bit;
#endif
}

/* Where each thread's recorded numbers go on. */
typedef struct {
    const uint32_t *neurons[256], *channels[256];
} Recorded;

static inline void begin_recorded(const Machine *m, Recorded *r)
{
    for (int64_t j = 0; j < m->threads; j++) {
        r->neurons[j] = m->lanes[j].recorded_neurons;
        r->channels[j] = m->lanes[j].recorded_channels;
    }
}

/* The channels of a step become a set; whether there are any. */
static inline int take_channels(Counter *c, const Machine *m, Recorded *r, int64_t step)
{
    int any = 0;
    for (int64_t j = 0; j < m->threads; j++) {
        uint32_t count = m->lanes[j].channels_per_step[step];
        for (uint32_t k = 0; k < count; k++) {
            uint32_t channel = *r->channels[j]++;
            c->set[channel / 64] |= (uint64_t)1 << channel % 64;
        }
        any |= count != 0;
    }
    return any;
}

/* The neurons of a step become those of the step before. Threads own neurons in ascending order, so
 * the lists end to end are ascending, too. */
static inline void take_neurons(Counter *c, const Machine *m, Recorded *r, int64_t step)
{
    c->before_count = 0;
    for (int64_t j = 0; j < m->threads; j++) {
        uint32_t count = m->lanes[j].neurons_per_step[step];
        memcpy(c->before + c->before_count, r->neurons[j], count * sizeof *c->before);
        c->before_count += count;
        r->neurons[j] += count;
    }
}

#endif
