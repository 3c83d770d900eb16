/* Sets the loosely timed mesh up and takes it from step to step; loose_flow.c moves the packets. */

#include "loose.h"

#include <stdlib.h>
#include <string.h>

#define REACH ((int64_t)1 << 30)    /* ticks that anything may be later than LATEST */

enum { DONE = 0, NO_MEMORY = -1, TOO_LONG = -2 };

/* The tile behind an output, and back by its opposite; NOBODY at the edge. */
static int32_t neighbour(const Mesh *m, int32_t tile, int32_t side)
{
    int32_t columns = (int32_t)m->columns, column = tile % columns;
    if (side == 0) return tile >= columns ? tile - columns : NOBODY;
    if (side == 1) return column + 1 < columns ? tile + 1 : NOBODY;
    if (side == 2) return tile / columns + 1 < m->rows ? tile + columns : NOBODY;
    return column ? tile - 1 : NOBODY;
}

/* What leads where. */
static void build(Loose *n)
{
    const Mesh *m = &n->m;
    int32_t tiles = (int32_t)(m->rows * m->columns), columns = (int32_t)m->columns;
    for (int32_t k = 0; k < n->ways; k++) {
        int32_t i = k % n->inputs, tile = k / n->inputs % tiles, network = k / n->inputs / tiles;
        int32_t far = i < SIDES ? neighbour(m, tile, i) : m->core[tile * m->ports + i - SIDES];
        int32_t router = (network * tiles + far) * n->inputs * n->bytes;
        int32_t door = n->doors + (network * n->cores + far) * n->door_bytes;
        /* at the edge, and where there is no core, is nothing that is ever taken */
        int32_t behind = i < SIDES ? router + (i ^ 2) * n->bytes : door | DOOR;
        n->beside[k] = far == NOBODY ? 0 : (uint32_t)behind;
        n->behind[k].router = k - i;
        *at_input(n, (uint32_t)(k * n->bytes)) = (Input){
            .to = n->to + (size_t)(network * tiles + tile) * (size_t)n->cores, .bit = (uint8_t)i,
            .feeder = i < SIDES ? router : far,
            .hop = (int32_t)(i < SIDES ? m->hop[i ^ 2] : 0)};
    }
    for (int32_t k = 0; k < n->networks * tiles; k++) {
        int32_t tile = k % tiles, column = tile % columns;
        for (int32_t c = 0; c < n->cores; c++) {
            int32_t there = m->tile[c], right = there % columns - column, o = SIDES + m->port[c];
            if (right || there != tile) o = right ? (right > 0 ? 1 : 3) : there > tile ? 2 : 0;
            n->to[(size_t)k * (size_t)n->cores + (size_t)c] = n->beside[k * n->inputs + o];
        }
    }
    for (int32_t c = 0; c < n->cores; c++) {
        n->core[c].input = (m->tile[c] * n->inputs + SIDES + m->port[c]) * n->bytes;
        n->core[c].end = n->core[c].input + n->networks * n->plane;
    }
}

/* The mesh at rest. */
static void clear(Loose *n)
{
    for (int32_t k = 0; k < n->ways; k++) {
        Input *in = at_input(n, (uint32_t)(k * n->bytes));
        in->gone = in->link_free = 0;
        in->head = in->tail = 0;
        in->turn = in->hungry = 0;
        memset((char *)in + LINE, 0, (size_t)(n->bytes - LINE));
    }
    memset(n->input + n->doors, 0, (size_t)n->networks * (size_t)n->cores * (size_t)n->door_bytes);
    for (int32_t k = 0; k < n->networks * n->cores; k++)
        at_door(n, (uint32_t)(n->doors + k * n->door_bytes) | DOOR)->core = k % n->cores;
}

/* Adds up what went over the links in a step. */
static void read_links(Loose *n)
{
    for (int32_t k = 0; k < n->ways; k++) {
        Input *in = at_input(n, (uint32_t)(k * n->bytes));
        if (in->bit >= SIDES || !in->tail) continue;
        int64_t link = in->feeder / (n->inputs * n->bytes) * SIDES + (in->bit ^ 2);
        n->t->passed[link] += in->tail / (uint32_t)sizeof(Held);
        n->t->waited[link] += (int64_t)in->waited;
        in->waited = 0;
    }
}

static void one_step(Loose *n, const int64_t *first, int64_t *end, int64_t *sent)
{
    clear(n);
    for (int32_t c = 0; c < n->cores; c++) {
        Core *core = &n->core[c];
        *core = (Core){.input = core->input, .sends = core->input, .end = core->end,
                       .spike = first[c], .last = first[c + 1]};
    }
    sl_chips_rounds(n);
    read_links(n);
    *end = 0;
    for (int32_t c = 0; c < n->cores; c++) {
        *end = later(*end, n->core[c].free);
        sent[c] = n->core[c].sent;
    }
}

/* Whether the numbers of a mesh have room, and which bits of a packet's word are its core. What is
 * visited is due by the end of the span, and an input sends nothing as long as what it sent last
 * leaves later. So a link is taken beyond that by one packet of each input of its router at most,
 * after those that do the same in each router ahead, and a core has no more work beyond that than
 * what waits in front of it. */
static int has_room(Loose *n)
{
    const Mesh *m = &n->m;
    int64_t ticks = m->interval + m->inject + m->eject;
    int64_t routers = m->networks + m->rows + m->columns;
    int64_t places = m->buffer + routers * (m->receive + SIDES + m->ports + 1) + 2;
    for (int side = 0; side < SIDES; side++) ticks += m->hop[side];
    if (places > (1 << 16) || ticks * places > REACH / 2 || n->shift > 28) return 0;
    n->most = (uint32_t)(REACH / 2 / places);
    while ((m->cores - 1) >> n->core_bits) n->core_bits++;
    n->core_mask = ((uint32_t)1 << n->core_bits) - 1;
    if (n->most > UINT32_MAX >> n->core_bits) n->most = UINT32_MAX >> n->core_bits;
    return 1;
}

static uint32_t power_of_two(int64_t least)
{
    uint32_t found = 1;
    while (found < least) found *= 2;
    return found;
}

enum { PARTS = 8 };

/* The tables, in one piece of memory; NULL: there is none. */
static char *reserve(Loose *n)
{
    const Mesh *m = &n->m;
    uint32_t places = power_of_two(m->buffer), line = LINE / sizeof(Held);
    if (places < line) places = line;
    n->full = (uint32_t)m->buffer * (uint32_t)sizeof(Held);
    n->mask = places * (uint32_t)sizeof(Held) - 1;
    n->bytes = LINE + (int32_t)n->mask + 1;
    n->doors_mask = power_of_two(m->receive) - 1;
    n->door_bytes = (int32_t)(sizeof(Door) + (n->doors_mask + 1) * sizeof(int32_t));
    n->inputs = SIDES + (int32_t)m->ports;
    int64_t all = m->networks * m->rows * m->columns * n->inputs;
    if (all * n->bytes > INT32_MAX) return NULL;
    n->ways = (int32_t)all;
    n->plane = n->ways / n->networks * n->bytes;
    size_t ways = (size_t)n->ways, cores = (size_t)n->cores, lists = (ways + AHEAD + 1) * KINDS;
    size_t tiles = (size_t)(m->rows * m->columns), bytes = ways * (size_t)n->bytes;
    size_t networks = (size_t)n->networks, doors = cores * networks * (size_t)n->door_bytes;
    if (bytes + doors > INT32_MAX) return NULL;
    size_t size[PARTS] = {bytes + doors, ways * sizeof(Behind), bytes / sizeof(Held) * 4,
                          cores * sizeof(Core), 2 * lists * sizeof(Entry), lists * sizeof(Entry),
                          ways * 4, networks * tiles * cores * 4};
    size_t total = 0;
    for (int k = 0; k < PARTS; k++) total += size[k] = (size[k] + LINE - 1) / LINE * LINE;
    char *part[PARTS], *memory = calloc(1, total + LINE - 1), *p = memory;
    if (!p) return NULL;
    p += -(uintptr_t)p & (LINE - 1);
    for (int k = 0; k < PARTS; p += size[k++]) part[k] = p;
    n->input = part[0];
    n->doors = (int32_t)bytes;
    n->behind = (Behind *)part[1];
    n->number = (uint32_t *)part[2];
    n->core = (Core *)part[3];
    for (int k = 0; k < 2 * KINDS; k++)
        n->list[k / KINDS][k % KINDS] = (Entry *)part[4] + (size_t)k * lists / KINDS;
    for (int k = 0; k < KINDS; k++) n->parked[k] = (Entry *)part[5] + (size_t)k * lists / KINDS;
    n->beside = (uint32_t *)part[6];
    n->to = (uint32_t *)part[7];
    return memory;
}

/* As sl_chips_steps, loosely: in spans of 2 ** shift ticks. Returns DONE; NO_MEMORY, also where the
 * mesh is larger than words have room for; or TOO_LONG, a step for ticks of 32 bits. */
EXPORT int64_t sl_chips_loose(const Mesh *mesh, Traffic *t, int64_t shift, int64_t steps,
                              const int64_t *first, int64_t *end, int64_t *sent)
{
    Loose *n = SIDES + mesh->ports > 63 ? NULL : calloc(1, sizeof *n);
    if (!n) return NO_MEMORY;
    n->m = *mesh;
    n->t = t;
    n->shift = (int32_t)shift;
    int64_t found = has_room(n) ? DONE : TOO_LONG;
    n->interval = (int32_t)mesh->interval;
    n->inject = (int32_t)mesh->inject;
    n->eject = (int32_t)mesh->eject;
    n->cores = (int32_t)mesh->cores;
    n->networks = (int32_t)mesh->networks;
    n->receive = (int32_t)mesh->receive;
    char *memory = found == DONE ? reserve(n) : NULL;
    if (memory) build(n);
    else if (found == DONE) found = NO_MEMORY;
    for (int64_t s = 0; s < steps && found == DONE; s++) {
        one_step(n, first + s * n->cores, end + s, sent + s * n->cores);
        if (n->too_long) found = TOO_LONG;
    }
    free(memory);
    free(n);
    return found;
}
