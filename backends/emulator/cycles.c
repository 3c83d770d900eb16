/* How long the lanes of the generated hardware walk in each step: hdl/cycles.py's `walk_rows`, from
 * the spikes that a call of the kernel has recorded. */

#include "walk.h"

static void walk_source(const Counter *c, Core *core, int64_t source, int64_t earliest)
{
    walk_parts(c, core, c->start[source], c->start[source + 1], earliest);
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
    Recorded recorded;
    begin_recorded(m, &recorded);
    for (int64_t s = 0; s < steps; s++, step++) {
        Core core;
        begin(c, &core);
        for (int64_t k = 0; k < c->before_count; k++)
            walk_source(c, &core, m->channels + c->before[k], c->earliest[s]);
        for (; c->host < m->hosts && m->host_step[c->host] == step; c->host++)
            walk_source(c, &core, m->host_channel[c->host], c->earliest[c->stride + s]);
        if (take_channels(c, m, &recorded, s))
            walk_generators(c, &core, c->earliest[2 * c->stride + s]);
        c->walked[s] = later(core.last, core.learned + c->written);
        take_neurons(c, m, &recorded, s);
    }
}
