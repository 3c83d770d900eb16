/* Sets meshes up, feeds them and reads them out; flow.c moves the packets. */

#include "net.h"

#include <stdlib.h>
#include <string.h>

#ifndef SL_SOURCE
#define SL_SOURCE 0
#endif

/* What leads where. */
static void connect_way(Net *n, int32_t k)
{
    const Mesh *m = &n->m;
    int32_t columns = (int32_t)m->columns, tiles = (int32_t)(m->rows * m->columns);
    int32_t router = k / n->inputs, i = k % n->inputs, base = router * n->inputs;
    int32_t tile = router % tiles, first = router - tile;
    int32_t row = tile / columns, column = tile % columns, far = NOBODY, core = NOBODY;
    int32_t target = NOBODY;
    if (i == 0 && row) far = tile - columns;
    if (i == 1 && column + 1 < columns) far = tile + 1;
    if (i == 2 && row + 1 < m->rows) far = tile + columns;
    if (i == 3 && column) far = tile - 1;
    /* what comes in from the north left the northern router by its south side */
    if (far != NOBODY) target = far = (first + far) * n->inputs + (i ^ 2);
    if (i >= SIDES) core = m->core[tile * m->ports + i - SIDES];
    if (core != NOBODY) target = core * n->networks + router / tiles;
    n->input[k] = (Input){.feeder = i < SIDES ? far : core, .local = i >= SIDES,
                          .ways = tile * n->cores, .bit = (uint8_t)i};
    n->output[k] = (Output){.target = target, .base = base, .side = (uint8_t)i,
                            .room = n->receive,
                            .hop = (int32_t)(i < SIDES ? m->hop[i] : m->eject)};
}

/* The mesh at rest. */
static void clear(Net *n)
{
    for (int32_t k = 0; k < n->ways; k++) {
        Input *in = &n->input[k];
        Output *o = &n->output[k];
        in->free_at = o->free_at = 0;
        in->head = in->count = 0;
        in->blocked = 0;
        o->wanted = 0;
        o->room = n->receive;
        o->turn = 0;
    }
    for (int32_t c = 0; c < n->cores; c++) {
        Core *core = &n->core[c];
        *core = (Core){.next = NOBODY, .last = NOBODY, .input = core->input};
    }
    memset(n->queue, 0, (size_t)(n->cores * n->networks) * sizeof *n->queue);
    n->now = n->end = 0;
}

/* The output by which a packet leaves a tile: columns first, then rows, then to the core. */
static uint8_t way_of(const Mesh *m, int64_t tile, int64_t core)
{
    int64_t right = m->tile[core] % m->columns - tile % m->columns;
    if (right) return right > 0 ? 1 : 3;
    if (m->tile[core] != tile) return m->tile[core] > tile ? 2 : 0;
    return (uint8_t)(SIDES + m->port[core]);
}

static void build(Net *n)
{
    const Mesh *m = &n->m;
    uint8_t *way = n->way;
    for (int32_t k = 0; k < n->ways; k++) connect_way(n, k);
    for (int32_t c = 0; c < n->cores; c++)
        n->core[c].input = m->tile[c] * n->inputs + SIDES + m->port[c];
    for (int64_t tile = 0; tile < m->rows * m->columns; tile++)
        for (int32_t c = 0; c < n->cores; c++) *way++ = way_of(m, tile, c);
    for (int32_t s = 0; s < SLOTS; s++) n->slot[s] = NOBODY;
    clear(n);
}

enum { PARTS = 9 };

/* NULL where there is no memory, or the mesh is larger than words have room for (network_run.py asks
 * before). The mesh's tables must stay where they are. */
EXPORT Net *sl_chips_open(const Mesh *mesh)
{
    if (SIDES + mesh->ports > 63) return NULL;
    Net *n = calloc(1, sizeof *n);
    if (!n) return NULL;
    n->m = *mesh;
    n->cores = (int32_t)mesh->cores;
    n->networks = (int32_t)mesh->networks;
    n->buffer = (int32_t)mesh->buffer;
    n->receive = (int32_t)mesh->receive;
    n->inputs = SIDES + (int32_t)mesh->ports;
    n->plane = (int32_t)(mesh->rows * mesh->columns) * n->inputs;
    n->ways = n->networks * n->plane;
    size_t ways = (size_t)n->ways, cores = (size_t)n->cores, nets = (size_t)n->networks;
    size_t events = 2 * ways;
    size_t size[PARTS] = {ways * sizeof(Input), ways * sizeof(Output), cores * sizeof(Core),
                          ways * (size_t)n->buffer * sizeof(Held),
                          cores * nets * (size_t)n->receive * sizeof(Held),
                          cores * nets * sizeof(Queue), (ways + events) * sizeof(int32_t),
                          events * sizeof(Far),
                          (size_t)(mesh->rows * mesh->columns) * cores};
    size_t total = 0;
    for (int k = 0; k < PARTS; k++) total += size[k] = (size[k] + 63) & ~(size_t)63;
    char *part[PARTS], *p = n->memory = calloc(1, total + 63);
    if (!p) {
        free(n);
        return NULL;
    }
    p += -(uintptr_t)p & 63; /* an input, and an output, has a cache line of its own */
    for (int k = 0; k < PARTS; p += size[k++]) part[k] = p;
    n->input = (Input *)part[0];
    n->output = (Output *)part[1];
    n->core = (Core *)part[2];
    n->held = (Held *)part[3];
    n->received = (Held *)part[4];
    n->queue = (Queue *)part[5];
    n->ready = (int32_t *)part[6];
    n->next = n->ready + n->ways;
    n->far = (Far *)part[7];
    n->way = (uint8_t *)part[8];
    build(n);
    return n;
}

EXPORT void sl_chips_close(Net *n)
{
    free(n->memory);
    free(n);
}

/* A core gets the spikes `first` to `last - 1` to make, after those that it has. */
EXPORT void sl_chips_feed(Net *n, Traffic *t, int64_t c, int64_t first, int64_t last)
{
    Core *core = &n->core[c];
    if (first == last) return;
    n->t = t;
    for (int64_t k = first; k < last; k++)
        t->spike[k].follow = k + 1 < last ? (int32_t)k + 1 : NOBODY;
    if (core->next == NOBODY)
        core->next = (int32_t)first;
    else
        t->spike[core->last].follow = (int32_t)first;
    core->last = (int32_t)last - 1;
    if (!core->busy) sl_chips_begin(n, (int32_t)c);
}

/* Adds up what went over the links. */
static void read_links(Net *n, Traffic *t)
{
    for (int32_t k = 0; k < n->ways; k++) {
        Output *o = &n->output[k];
        if (o->side >= SIDES) continue;
        int64_t link = (int64_t)(k / n->inputs) * SIDES + o->side;
        t->passed[link] += o->passed;
        t->waited[link] += o->waited;
        o->passed = o->waited = 0;
    }
}

/* Everything up to and with the tick `until`; returns the tick that was come to. */
EXPORT int64_t sl_chips_advance(Net *n, Traffic *t, int64_t until)
{
    n->t = t;
    sl_chips_run(n, until);
    sl_chips_settle(n, until);
    read_links(n, t);
    return n->now;
}

/* Steps of their own, each from tick 0 on a mesh at rest until the last packet is done.
 *
 * first: (steps * cores + 1,) where each core's spikes of each step begin.
 * end: (steps,) when the last packet of each step was done.
 * sent: (steps, cores) when the last packet left each core. */
EXPORT void sl_chips_steps(Net *n, Traffic *t, int64_t steps, const int64_t *first, int64_t *end,
                           int64_t *sent)
{
    for (int64_t s = 0; s < steps; s++, first += n->cores, sent += n->cores) {
        clear(n);
        for (int64_t c = 0; c < n->cores; c++) sl_chips_feed(n, t, c, first[c], first[c + 1]);
        n->t = t;
        sl_chips_run(n, INT64_MAX);
        sl_chips_settle(n, INT64_MAX);
        end[s] = n->end;
        for (int64_t c = 0; c < n->cores; c++) sent[c] = n->core[c].sent;
    }
    read_links(n, t);
}

EXPORT int64_t sl_chips_size(int32_t which)
{
    return which == 0 ? sizeof(Mesh) : which == 1 ? sizeof(Traffic) : sizeof(Spike);
}

EXPORT int64_t sl_chips_source(void) { return SL_SOURCE; }
