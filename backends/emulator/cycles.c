/* How long the lanes of the generated hardware walk in each step: hdl/cycles.py's `walk_rows`, from
 * the spikes that a call of the kernel has recorded. */

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

/* The rows of one spike. `earliest` is positive and later than a row that never was: zero. */
static inline void walk_source(const Counter *c, Core *core, int64_t source, int64_t earliest)
{
    int64_t at = core->at, end = c->start[source + 1];
    for (int64_t first = c->start[source]; first < end;) {
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

/* The driven channels that a step has recorded, lowest first; then the set is empty again. */
static void walk_generators(const Counter *c, Core *core, int64_t earliest)
{
    for (int64_t w = 0; w < (c->channels + 63) / 64; w++) {
        uint64_t set = c->set[w] & c->driven[w];
        c->set[w] = 0;
        for (; set; set &= set - 1) walk_source(c, core, w * 64 + lowest_bit(set), earliest);
    }
}

void sl_walk(Counter *c, const Machine *m, int64_t steps)
{
    uint64_t step = m->step - (uint64_t)steps;
    const uint32_t *neurons[256], *channels[256];
    for (int64_t j = 0; j < m->threads; j++) {
        neurons[j] = m->lanes[j].recorded_neurons;
        channels[j] = m->lanes[j].recorded_channels;
    }
    for (int64_t s = 0; s < steps; s++, step++) {
        Core core;
        begin(c, &core);
        for (int64_t k = 0; k < c->before_count; k++)
            walk_source(c, &core, m->channels + c->before[k], c->earliest[s]);
        for (; c->host < m->hosts && m->host_step[c->host] == step; c->host++)
            walk_source(c, &core, m->host_channel[c->host], c->earliest[c->stride + s]);
        int any = 0;
        for (int64_t j = 0; j < m->threads; j++) {
            uint32_t count = m->lanes[j].channels_per_step[s];
            for (uint32_t k = 0; k < count; k++) {
                uint32_t channel = *channels[j]++;
                c->set[channel / 64] |= (uint64_t)1 << channel % 64;
            }
            any |= count != 0;
        }
        if (any) walk_generators(c, &core, c->earliest[2 * c->stride + s]);
        c->walked[s] = later(core.last, core.learned + c->written);
        /* Threads own neurons in ascending order, so the lists end to end are ascending, too. */
        c->before_count = 0;
        for (int64_t j = 0; j < m->threads; j++) {
            uint32_t count = m->lanes[j].neurons_per_step[s];
            memcpy(c->before + c->before_count, neurons[j], count * sizeof *c->before);
            c->before_count += count;
            neurons[j] += count;
        }
    }
}
