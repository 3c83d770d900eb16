/* Packets on a mesh whose routers have finite buffers, loosely timed: loose.py in C, equal to it to
 * the tick.
 *
 * Time goes by in spans. Within a span each input whose first packet is due in it is visited once,
 * in whatever order, and takes all its packets on whose departures fall due; where they come to is
 * visited next. A departure is one computation: the tick from which on the packet, the output and
 * the place behind it are there. So most packets go through several routers without any event. */

#include "network.h"

#include <stdlib.h>
#include <string.h>

enum { SIDES = 4, NOBODY = -1, SLOTS = 512, WORDS = SLOTS / 64, NODE = 2 };

/* A packet in a buffer, and, when it has left, the tick from which on its place is free. */
typedef struct {
    int64_t when;
    uint32_t place;         /* the core that it goes to */
    uint32_t load;          /* ticks of work; in a tree its node */
    uint32_t number;        /* in the results */
} Held;

/* An input of a router, and the link that leads to it: a cache line, and behind it the input's
 * places. Inputs are numbered by the lines before them. */
typedef struct {
    int64_t gone;           /* when the last packet that left was gone */
    int64_t link_free;      /* when the link takes the next packet */
    int64_t waited;
    uint64_t wanted;        /* inputs of the router before it that wait for a place */
    const int32_t *to;      /* (cores,) the input behind the output to a core, or ~core */
    uint32_t in, out;       /* packets that came and left, in all */
    int32_t plane;          /* input 0 of its network */
    int32_t next;           /* input that is due in the same span */
    int32_t hop;            /* ticks of the link */
    uint8_t bit, turn;      /* which of its router's; the first of `wanted` whose turn it is */
    uint8_t queued, network;
} Input;

/* What is seldom asked about an input. */
typedef struct {
    int64_t left;           /* when the last of the forks of its first packet left so far */
    uint64_t pending;       /* outputs that this has yet to take */
    int32_t feeder;         /* the core, or input 0 of the router, that leads to it */
    int32_t tile;
} Behind;

/* What is in front of a core, of one network. */
typedef struct {
    int64_t link_free;
    int32_t place;          /* the oldest of `begins` */
} Queue;

typedef struct {
    int64_t sent, made;     /* of the packet that it makes */
    int64_t free;           /* when it is through with what came so far */
    int64_t spike, last;    /* that it makes; behind its last one */
    int32_t packet, left, rest, number, input;
    int32_t sends;          /* network of the packet that it makes */
    uint8_t busy;
} Core;

typedef struct {
    Mesh m;
    Traffic *t;
    int64_t now, horizon, span, end;  /* the number of this span, and the tick at which it ends */
    int64_t interval;
    uint32_t buffer, mask;  /* mask: places of an input in memory, a power of two, minus 1 */
    int32_t inputs, plane, ways, cores, networks, receive, tops, shift, lines;
    int32_t *to;            /* (tiles, cores) */
    int32_t *beside;        /* (tiles, inputs) by output, as `to` */
    Input *input;           /* lines of them */
    Behind *behind;         /* by the number of the input, without a division */
    Queue *queue;           /* (cores, networks) */
    int64_t *begins;        /* (cores, networks, receive) when the last packets were begun with */
    Core *core;
    int32_t *stack;         /* inputs to visit */
    int32_t slot[SLOTS];
    uint64_t used[WORDS];
} Loose;

static inline Behind *behind_of(const Loose *n, const Input *in)
{
    return &n->behind[in - n->input];
}

static inline Held *place_of(const Loose *n, Input *in, uint32_t number)
{
    return (Held *)(in + 1) + (number & n->mask);
}

static inline void visit_later(Loose *n, int32_t k)
{
    Input *in = &n->input[k];
    if (in->queued) return;
    in->queued = 1;
    n->stack[n->tops++] = k;
}

/* ---------------------------------------------------------------------- cores that make packets */

/* When the core's next packet is ready, if it has one. */
static inline void make(Loose *n, Core *core)
{
    if (core->left) {
        core->left--;
        core->packet++;
        core->number++;
        core->made = core->sent + core->rest;
    } else if (core->spike == core->last) {
        core->busy = 0;
        return;
    } else {
        const Spike *s = &n->t->spike[core->spike++];
        core->busy = 1;
        core->made = later(s->begin, core->sent) + s->lead;
        core->packet = s->first;
        core->left = s->count - 1;
        core->number = s->number;
        core->rest = s->rest;
    }
    if (n->t->made) {
        int64_t which = n->t->tree ? core->spike - 1 : core->number;
        n->t->made[which * n->t->stride] = core->made;
    }
}

/* A core's packets enter its router as long as there are places. */
static void fill(Loose *n, int32_t c)
{
    Core *core = &n->core[c];
    Traffic *t = n->t;
    while (core->busy) {
        int32_t k = core->input + core->sends * n->plane * n->lines;
        Input *in = &n->input[k];
        if (in->in - in->out == n->buffer) return;
        core->sent = core->made;
        if (in->in >= n->buffer)
            core->sent = later(core->made, place_of(n, in, in->in - n->buffer)->when);
        if (t->sent)
            t->sent[(t->tree ? core->spike - 1 : core->number) * t->stride] = core->sent;
        if (++core->sends == n->networks) core->sends = 0;
        uint32_t target = (uint32_t)t->target[core->packet];
        Held packet = {.when = core->sent + n->m.inject, .number = (uint32_t)core->number};
        if (t->tree) {
            packet.load = target;
        } else {
            packet.place = target;
            packet.load = (uint32_t)t->work[core->packet];
        }
        *place_of(n, in, in->in++) = packet;
        if (in->in - in->out == 1) visit_later(n, k);
        make(n, core);
    }
}

/* ---------------------------------------------------------------------- routers */

/* A packet goes to a core, which works on what comes in that order; returns when it leaves. */
static inline int64_t deliver(Loose *n, int32_t c, int32_t network, const Held *packet,
                              uint32_t load, int64_t ready)
{
    int32_t what = c * n->networks + network;
    Queue *queue = &n->queue[what];
    int64_t *begin = &n->begins[what * n->receive + queue->place];
    Traffic *t = n->t;
    int64_t at = later(later(ready, queue->link_free), *begin);
    queue->link_free = at + n->interval;
    queue->place = queue->place + 1 < n->receive ? queue->place + 1 : 0;
    *begin = later(at + n->m.eject, n->core[c].free);
    n->core[c].free = *begin + load;
    if (t->arrived) t->arrived[packet->number * t->stride] = at + n->m.eject;
    if (t->done) t->done[packet->number * t->stride] = n->core[c].free;
    return at;
}

/* A packet takes a link; returns when it leaves, or NOBODY as long as there is no place behind. */
static inline int64_t send(Loose *n, const Input *from, int32_t k, const Held *packet,
                           int64_t ready)
{
    Input *in = &n->input[k];
    if (in->in - in->out == n->buffer) {
        in->wanted |= (uint64_t)1 << from->bit;
        return NOBODY;
    }
    int64_t at = later(ready, in->link_free);
    if (in->in >= n->buffer) at = later(at, place_of(n, in, in->in - n->buffer)->when);
    in->link_free = at + n->interval;
    in->waited += at - ready;
    Held *place = place_of(n, in, in->in++);
    *place = *packet;
    place->when = at + in->hop;
    if (in->in - in->out == 1) visit_later(n, k);
    return at;
}

/* The forks of the first packet of an input leave; returns as `send`, of the last one. */
static int64_t split(Loose *n, Input *in, const Held *packet, int64_t ready)
{
    Behind *behind = behind_of(n, in);
    const uint32_t *node = n->t->tree + packet->load, *branch = node + NODE;
    const int32_t *beside = n->beside + behind->tile * n->inputs;
    uint64_t still = 0, outputs = outputs_of(node);
    if (!behind->pending) behind->pending = outputs, behind->left = 0;
    for (uint64_t set = outputs; set; set &= set - 1, branch++) {
        uint64_t mine = set & (~set + 1);
        if (!(behind->pending & mine)) continue;
        int32_t to = beside[lowest(set)];
        Held copy = *packet;
        int64_t at;
        copy.load = *branch;
        if (to >= 0) {
            at = send(n, in, in->plane + to, &copy, ready);
        } else {
            copy.number += *branch;
            at = deliver(n, ~to, in->network, &copy, (uint32_t)n->t->work[*branch], ready);
        }
        if (at == NOBODY) still |= mine;
        behind->left = later(behind->left, at);
    }
    behind->pending = still;
    return still ? NOBODY : behind->left;
}

/* The input whose packet gets a place behind an output, of those that wait: network.py's FIXED. */
static inline int chosen(const Loose *n, const Input *in)
{
    static const uint8_t order[SIDES][3] = {{2, 3, 1}, {3, 3, 3}, {0, 3, 1}, {1, 1, 1}};
    uint64_t from = in->wanted >> in->turn << in->turn;
    if (!n->m.fixed) return lowest(from ? from : in->wanted);
    for (int j = 0; j < 3; j++)
        if (in->wanted >> order[in->bit ^ 2][j] & 1) return order[in->bit ^ 2][j];
    return lowest(in->wanted);
}

/* There is a place more in an input. */
static inline void freed(Loose *n, Input *in)
{
    if (in->bit >= SIDES) {
        fill(n, behind_of(n, in)->feeder);
    } else if (in->wanted) {
        int bit = chosen(n, in);
        in->wanted &= ~((uint64_t)1 << bit);
        in->turn = (uint8_t)(bit + 1);
        visit_later(n, behind_of(n, in)->feeder + bit * n->lines);
    }
}

/* An input is looked at again in the span of tick `when`, or at the end of the wheel's turn. */
static inline void due(Loose *n, int32_t k, int64_t when)
{
    int64_t span = when >> n->shift;
    if (span >= n->span + SLOTS) span = n->span + SLOTS - 1;
    int32_t s = (int32_t)(span & (SLOTS - 1));
    n->input[k].queued = 1;
    n->input[k].next = n->slot[s];
    n->slot[s] = k;
    n->used[s >> 6] |= (uint64_t)1 << (s & 63);
}

/* All packets of an input leave that can in this span. */
static inline void visit(Loose *n, int32_t k)
{
    Input *in = &n->input[k];
    const int trees = n->t->tree != NULL;
    while (in->in != in->out) {
        Held *packet = place_of(n, in, in->out);
        int64_t ready = later(packet->when, in->gone), at;
        if (ready >= n->horizon) {
            due(n, k, ready);
            return;
        }
        if (trees) {
            at = split(n, in, packet, ready);
        } else {
            int32_t to = in->to[packet->place];
            if (to >= 0)
                at = send(n, in, in->plane + to, packet, ready);
            else
                at = deliver(n, ~to, in->network, packet, packet->load, ready);
        }
        if (at == NOBODY) break;
        packet->when = in->gone = at + n->interval;
        in->out++;
        freed(n, in);
    }
    in->queued = 0;
}

static inline void visit_all(Loose *n)
{
    while (n->tops) visit(n, n->stack[--n->tops]);
}

/* The next span in which any input is due; NOBODY: there is none. */
static int64_t next_span(const Loose *n)
{
    int32_t s = (int32_t)((n->span + 1) & (SLOTS - 1)), word = s >> 6;
    uint64_t set = n->used[word] >> (s & 63) << (s & 63);
    for (int k = 0; k <= WORDS; k++) {
        if (set) return n->span + 1 + ((word * 64 + lowest(set) - s) & (SLOTS - 1));
        word = (word + 1) & (WORDS - 1);
        set = n->used[word];
    }
    return NOBODY;
}

static void run(Loose *n)
{
    visit_all(n);
    for (int64_t span = next_span(n); span != NOBODY; span = next_span(n)) {
        int32_t s = (int32_t)(span & (SLOTS - 1)), next, k = n->slot[s];
        n->span = span;
        n->horizon = (span + 1) << n->shift;
        n->slot[s] = NOBODY;
        n->used[s >> 6] &= ~((uint64_t)1 << (s & 63));
        for (; k != NOBODY; k = next) {
            next = n->input[k].next;
            n->input[k].queued = 1;
            visit(n, k);
            visit_all(n);
        }
    }
}

/* ---------------------------------------------------------------------- the mesh */

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
    int32_t router = n->inputs * n->lines;
    for (int32_t tile = 0; tile < tiles; tile++) {
        int32_t *beside = &n->beside[tile * n->inputs];
        for (int32_t o = 0; o < n->inputs; o++) {
            int32_t far = o < SIDES ? neighbour(m, tile, o) : m->core[tile * m->ports + o - SIDES];
            /* at the edge, and where there is no core, is nothing that is ever taken */
            beside[o] = far == NOBODY || o >= SIDES ? ~far : far * router + (o ^ 2) * n->lines;
        }
        for (int32_t c = 0; c < n->cores; c++) {
            int32_t there = m->tile[c], right = there % columns - tile % columns;
            int32_t o = SIDES + m->port[c];
            if (right || there != tile) o = right ? (right > 0 ? 1 : 3) : there > tile ? 2 : 0;
            n->to[(size_t)tile * (size_t)n->cores + (size_t)c] = beside[o];
        }
    }
    for (int32_t k = 0; k < n->ways; k++) {
        int32_t i = k % n->inputs, tile = k / n->inputs % tiles, network = k / n->plane;
        int32_t plane = network * n->plane * n->lines;
        int32_t far = i < SIDES ? neighbour(m, tile, i) : m->core[tile * m->ports + i - SIDES];
        n->input[k * n->lines] = (Input){
            .to = n->to + (size_t)tile * (size_t)n->cores, .plane = plane, .bit = (uint8_t)i,
            .network = (uint8_t)network, .hop = (int32_t)(i < SIDES ? m->hop[i ^ 2] : 0)};
        n->behind[k * n->lines] = (Behind){
            .tile = tile, .feeder = i < SIDES ? plane + far * router : far};
    }
    for (int32_t c = 0; c < n->cores; c++)
        n->core[c].input = (m->tile[c] * n->inputs + SIDES + m->port[c]) * n->lines;
    for (int32_t s = 0; s < SLOTS; s++) n->slot[s] = NOBODY;
}

/* The mesh at rest. */
static void clear(Loose *n)
{
    for (int32_t k = 0; k < n->ways; k++) {
        Input *in = &n->input[k * n->lines];
        in->gone = in->link_free = 0;
        in->in = in->out = 0;
        in->turn = 0;
    }
    size_t queues = (size_t)n->cores * (size_t)n->networks;
    memset(n->queue, 0, queues * sizeof *n->queue);
    memset(n->begins, 0, queues * (size_t)n->receive * sizeof *n->begins);
    n->span = 0;
    n->horizon = (int64_t)1 << n->shift;
}

/* Adds up what went over the links in a step. */
static void read_links(Loose *n)
{
    for (int32_t k = 0; k < n->ways; k++) {
        Input *in = &n->input[k * n->lines];
        if (in->bit >= SIDES || !in->in) continue;
        int64_t router = n->behind[k * n->lines].feeder / (n->inputs * n->lines);
        n->t->passed[router * SIDES + (in->bit ^ 2)] += in->in;
        n->t->waited[router * SIDES + (in->bit ^ 2)] += in->waited;
        in->waited = 0;
    }
}

static void one_step(Loose *n, const int64_t *first, int64_t *end, int64_t *sent)
{
    clear(n);
    for (int32_t c = 0; c < n->cores; c++) {
        Core *core = &n->core[c];
        *core = (Core){.input = core->input, .spike = first[c], .last = first[c + 1]};
        make(n, core);
        fill(n, c);
    }
    run(n);
    read_links(n);
    *end = 0;
    for (int32_t c = 0; c < n->cores; c++) {
        *end = later(*end, n->core[c].free);
        sent[c] = n->core[c].sent;
    }
}

enum { PARTS = 8 };

/* As sl_chips_steps, loosely: in spans of 2 ** shift ticks. Returns 0, or -1 where there is no
 * memory, or the mesh is larger than words have room for. */
EXPORT int64_t sl_chips_loose(const Mesh *mesh, Traffic *t, int64_t shift, int64_t steps,
                              const int64_t *first, int64_t *end, int64_t *sent)
{
    Loose *n = SIDES + mesh->ports > 63 ? NULL : calloc(1, sizeof *n);
    if (!n) return -1;
    n->m = *mesh;
    n->t = t;
    n->shift = (int32_t)shift;
    n->interval = mesh->interval;
    n->cores = (int32_t)mesh->cores;
    n->networks = (int32_t)mesh->networks;
    n->receive = (int32_t)mesh->receive;
    n->buffer = (uint32_t)mesh->buffer;
    while (n->mask + 1 < n->buffer) n->mask = 2 * n->mask + 1;
    n->lines = 1 + (int32_t)(((n->mask + 1) * sizeof(Held) + 63) / 64);
    n->inputs = SIDES + (int32_t)mesh->ports;
    n->plane = (int32_t)(mesh->rows * mesh->columns) * n->inputs;
    n->ways = n->networks * n->plane;
    size_t ways = (size_t)n->ways, cores = (size_t)n->cores;
    size_t queues = cores * (size_t)n->networks;
    size_t size[PARTS] = {ways * (size_t)n->lines * sizeof(Input),
                          ways * (size_t)n->lines * sizeof(Behind),
                          queues * sizeof(Queue), queues * (size_t)n->receive * sizeof(int64_t),
                          cores * sizeof(Core), ways * sizeof(int32_t),
                          (size_t)n->plane * sizeof(int32_t),
                          (size_t)(mesh->rows * mesh->columns) * cores * sizeof(int32_t)};
    size_t total = 0;
    for (int k = 0; k < PARTS; k++) total += size[k] = (size[k] + 63) & ~(size_t)63;
    char *part[PARTS], *memory = calloc(1, total + 63), *p = memory;
    if (!p) {
        free(n);
        return -1;
    }
    p += -(uintptr_t)p & 63;
    for (int k = 0; k < PARTS; p += size[k++]) part[k] = p;
    n->input = (Input *)part[0];
    n->behind = (Behind *)part[1];
    n->queue = (Queue *)part[2];
    n->begins = (int64_t *)part[3];
    n->core = (Core *)part[4];
    n->stack = (int32_t *)part[5];
    n->beside = (int32_t *)part[6];
    n->to = (int32_t *)part[7];
    build(n);
    for (int64_t s = 0; s < steps; s++)
        one_step(n, first + s * n->cores, end + s, sent + s * n->cores);
    free(memory);
    free(n);
    return 0;
}
