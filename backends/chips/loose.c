/* Packets on a mesh whose routers have finite buffers, loosely timed: loose.py in C, equal to it to
 * the tick.
 *
 * Time goes by in spans. Within a span inputs whose first packet is due in it are visited in rounds,
 * one packet each; where it comes to is visited in the next round. A departure is one computation:
 * the tick from which on the packet, the output and the place behind it are there. So there is no
 * event for each router, and hardly a branch that is not foreseen: whether an input is to be visited
 * in this span, later, or not at all, moves the ends of two lists by 0 or 1.
 *
 * A visit waits for memory from address to address, so that what it needs is next to each other and
 * small, and an entry of a list says where the packet goes. Hence ticks of 32 bits, and one word for
 * a packet's core and its work; steps that have no room in them are refused. */

#include "network.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#if defined(__GNUC__)
#define INLINE static inline __attribute__((always_inline))
#define FETCH(address) __builtin_prefetch(address)
#else
#define INLINE static inline
#define FETCH(address) ((void)(address))
#endif

enum { SIDES = 4, NOBODY = -1, NODE = 2, AHEAD = 3, LINE = 64, FETCHED = 5 };
enum { DOOR = 1 };              /* a bit of the number of a door */
enum { LINKS, CORES, KINDS };   /* what feeds an input */
enum { DONE = 0, NO_MEMORY = -1, TOO_LONG = -2 };

#define LOW ((uint32_t)sizeof(Held))   /* bytes of an input that its core fills again */
#define LATEST ((int32_t)1 << 29)   /* tick of a span, or of a packet that is made */
#define REACH ((int64_t)1 << 30)    /* ticks that anything else may be later than that */

/* A packet in a buffer, and, when it has left, the tick from which on its place is free. */
typedef struct {
    int32_t when;
    uint32_t word;          /* the core that it goes to and, above, ticks of work; in a tree its node */
} Held;

/* An input of a router, and the link that leads to it: a cache line, and behind it the input's
 * places. Inputs and doors are numbered by bytes from the first input on, and places by bytes. */
typedef struct {
    uint64_t wanted;        /* inputs of the router before it that wait for a place */
    uint64_t waited;
    const uint32_t *to;     /* (cores,) the input behind the output to a core; or its door | DOOR */
    int32_t gone;           /* when the last packet that left was gone */
    int32_t link_free;      /* when the link takes the next packet */
    int32_t hop;            /* ticks of the link */
    uint32_t head, tail;    /* bytes that left and came, in all */
    int32_t feeder;         /* the core, or input 0 of the router, that leads to it */
    uint8_t bit, turn;      /* which of its router's; the first of `wanted` whose turn it is */
    uint8_t woken;
    uint8_t hungry;         /* its core waits for a place here, and has few packets in another */
} Input;

/* What is seldom asked about an input. */
typedef struct {
    uint64_t pending;       /* outputs that its first packet has yet to take */
    int32_t left;           /* when the last of that packet's forks left so far */
    int32_t router;         /* way 0 of its router */
} Behind;

/* What is in front of a core, of one network. */
typedef struct {
    int32_t link_free;
    int32_t core;
    uint32_t place;         /* packets that came, in all */
    int32_t begins[];       /* when each of the last ones was begun with: a power of two of them */
} Door;

_Static_assert(sizeof(Input) <= LINE && sizeof(Held) == 8, "an input is a line and its places");

typedef struct {
    int32_t sent, made;     /* of the packet that it makes */
    int32_t rest;           /* ticks that making each other one of the spike takes */
    int32_t packet, left, number;
    int32_t input, sends;   /* where its packets of network 0 go, and the one that it makes */
    int32_t end;            /* behind the last network's */
    int32_t free;           /* when it is through with what came so far */
    int32_t busy;
    int64_t spike, last;    /* that it makes; behind its last one */
} Core;

/* An input that is to be visited. */
typedef struct {
    uint32_t input;
    int32_t ready;          /* from when on its first packet may leave */
    uint32_t next;          /* and where to */
} Entry;

typedef struct {
    Mesh m;
    Traffic *t;
    int32_t interval, inject, eject, receive, shift;
    uint32_t full, mask, doors_mask;    /* bytes of a full input; of its places, minus 1; of doors */
    int32_t bytes, door_bytes;          /* of an input, of a door */
    int32_t doors;                      /* the first one */
    int32_t inputs, ways, plane, cores, networks, ports;
    uint32_t core_mask;                 /* of a packet's word, */
    int core_bits;                      /* and how many these are */
    uint32_t most;                      /* ticks of work that there is room for */
    int32_t too_long;
    uint32_t *to;           /* (networks, tiles, cores) */
    uint32_t *beside;       /* (ways,) by output, as `to` */
    char *input;
    Behind *behind;         /* (ways,) */
    uint32_t *number;       /* of each place: of its packet in the results */
    Core *core;
    Entry *list[2][KINDS];  /* of this round and the next one, taking turns */
    Entry *parked[KINDS];
} Loose;

/* Ends of the lists: what is to be visited in the next round, and what after this span. */
typedef struct {
    Entry *soon[KINDS], *parked[KINDS];
    int32_t horizon;        /* the tick at which this span ends */
} Ends;

INLINE int32_t later32(int32_t a, int32_t b) { return a > b ? a : b; }

INLINE Input *at_input(const Loose *n, uint32_t k) { return (Input *)(n->input + k); }

INLINE Door *at_door(const Loose *n, uint32_t k) { return (Door *)(n->input + k - DOOR); }

/* Where a packet goes from an input; nowhere in particular, in a tree. */
INLINE uint32_t next_of(const Loose *n, const Input *in, uint32_t word, int trees)
{
    return trees ? 0 : in->to[word & n->core_mask];
}

INLINE int is_full(const Loose *n, const Input *in) { return in->tail - in->head == n->full; }

INLINE int is_low(const Input *in) { return in->tail - in->head <= LOW; }

INLINE Held *place_of(Input *in, uint32_t bytes, uint32_t mask)
{
    return (Held *)((char *)in + LINE + (bytes & mask));
}

INLINE uint32_t *number_of(const Loose *n, const Held *held)
{
    return &n->number[((const char *)held - n->input) / (ptrdiff_t)sizeof(Held)];
}

INLINE Behind *behind_of(const Loose *n, const Input *in)
{
    return &n->behind[((const char *)in - n->input) / n->bytes];
}

/* An input is visited from tick `ready` on; if `yes` is 0, it is not. */
INLINE void list(Ends *e, int kind, Entry what, size_t yes)
{
    size_t soon = yes & (what.ready < e->horizon);
    *e->soon[kind] = what;
    *e->parked[kind] = what;
    e->soon[kind] += soon;
    e->parked[kind] += yes - soon;
}

/* ---------------------------------------------------------------------- cores that make packets */

/* Brings near what a core's next spike needs. */
INLINE void fetch_spike(const Loose *n, const Core *core, int trees)
{
    if (trees || core->spike == core->last) return;
    int32_t first = n->t->spike[core->spike].first;
    for (int k = 0; k < FETCHED; k++) {
        FETCH(n->t->target + first + k * 16);
        FETCH(n->t->work + first + k * 16);
    }
}

/* The core's next packet is ready at a tick. */
INLINE void make(Loose *n, Core *core, int64_t made, int each, int trees)
{
    if (made > LATEST) {
        n->too_long = 1;
        core->busy = 0;
        return;
    }
    core->made = (int32_t)made;
    if (each && n->t->made) {
        int64_t which = trees ? core->spike - 1 : core->number;
        n->t->made[which * n->t->stride] = made;
    }
}

/* The core begins with its next spike, if it has one. */
INLINE void next_spike(Loose *n, Core *core, int each, int trees)
{
    core->busy = core->spike != core->last;
    if (!core->busy) return;
    const Spike *s = &n->t->spike[core->spike++];
    fetch_spike(n, core, trees);
    core->packet = s->first;
    core->left = s->count;
    core->number = s->number;
    core->rest = s->rest;
    make(n, core, later(s->begin, core->sent) + s->lead, each, trees);
}

/* The core waits for a place in an input. As soon as there is one it is filled again if that is all
 * that keeps another of its inputs from running empty. */
INLINE void await(Loose *n, const Core *core, Input *in)
{
    in->hungry = 0;
    for (int32_t k = core->input; k < core->end; k += n->plane)
        in->hungry |= (uint8_t)is_low(at_input(n, (uint32_t)k));
}

/* A core's packets enter its inputs as long as there are places, ahead of their time: only the first
 * packet of an input matters to others, so that this is done for many at once. */
INLINE void fill(Loose *n, Ends *e, Core *core, int each, int trees)
{
    const Traffic *t = n->t;
    int32_t sends = core->sends;
    while (core->busy) {
        uint32_t k = (uint32_t)sends;
        Input *in = at_input(n, k);
        if (is_full(n, in)) {
            await(n, core, in);
            return;
        }
        uint32_t tail = in->tail;
        Held *held = place_of(in, tail, n->mask);
        int32_t sent = later32(core->made, held->when), packet = core->packet++;
        core->sent = sent;
        sends += n->plane;
        sends = sends < core->end ? sends : core->input;
        core->sends = sends;
        held->when = sent + n->inject;
        held->word = (uint32_t)t->target[packet];
        if (!trees) {
            uint32_t load = (uint32_t)t->work[packet];
            if (load > n->most) n->too_long = 1;
            held->word |= load << n->core_bits;
        }
        if (each) {
            *number_of(n, held) = (uint32_t)core->number;
            if (t->sent)
                t->sent[(trees ? core->spike - 1 : core->number) * t->stride] = sent;
            core->number++;
        }
        uint32_t next = next_of(n, in, held->word, trees);
        if (tail == in->head) list(e, CORES, (Entry){k, later32(held->when, in->gone), next}, 1);
        in->tail = tail + (uint32_t)sizeof(Held);
        if (--core->left) make(n, core, (int64_t)sent + core->rest, each, trees);
        else next_spike(n, core, each, trees);
    }
}

/* ---------------------------------------------------------------------- routers */

/* A packet goes to a core, which works on what comes in that order; returns when it leaves. */
INLINE int32_t deliver(Loose *n, Door *door, uint32_t load, uint32_t number, int32_t ready, int each)
{
    uint32_t place = door->place++, mask = n->doors_mask;
    int32_t at = later32(later32(ready, door->link_free), door->begins[place & mask]);
    Core *core = &n->core[door->core];
    int32_t begin = later32(at + n->eject, core->free);
    door->link_free = at + n->interval;
    door->begins[(place + (uint32_t)n->receive) & mask] = begin;
    core->free = begin + (int32_t)load;
    if (each && n->t->arrived) n->t->arrived[number * n->t->stride] = at + n->eject;
    if (each && n->t->done) n->t->done[number * n->t->stride] = core->free;
    return at;
}

/* A packet takes a link where there is a place behind it; returns when it leaves. */
INLINE int32_t send(Loose *n, Ends *e, uint32_t k, Input *in, const Held *packet, uint32_t word,
                    int32_t ready, int each, int trees)
{
    const uint32_t tail = in->tail;
    Held *there = place_of(in, tail, n->mask);
    int32_t at = later32(later32(ready, in->link_free), there->when);
    uint32_t empty = tail == in->head;
    in->tail = tail + (uint32_t)sizeof(Held);
    in->link_free = at + n->interval;
    in->waited += (uint32_t)(at - ready);
    int32_t when = at + in->hop;
    there->when = when;
    there->word = word;
    uint32_t next = next_of(n, in, word, trees);
    if (each) *number_of(n, there) = *number_of(n, packet);
    list(e, LINKS, (Entry){k, later32(when, in->gone), next}, empty);
    return at;
}

/* The forks of the first packet of an input leave; returns as `send`, of the last one. */
static int32_t split(Loose *n, Ends *e, Input *in, const Held *packet, int32_t ready)
{
    Behind *behind = behind_of(n, in);
    const uint32_t *node = n->t->tree + packet->word, *branch = node + NODE;
    const uint32_t *beside = n->beside + behind->router;
    uint64_t still = 0, outputs = outputs_of(node);
    if (!behind->pending) behind->pending = outputs, behind->left = 0;
    for (uint64_t set = outputs; set; set &= set - 1, branch++) {
        uint64_t mine = set & (~set + 1);
        if (!(behind->pending & mine)) continue;
        uint32_t to = beside[lowest(set)];
        Input *there = at_input(n, to);
        int32_t at;
        if (to & DOOR) {
            uint32_t load = (uint32_t)n->t->work[*branch];
            if (load > n->most) n->too_long = 1;
            at = deliver(n, at_door(n, to), load, *number_of(n, packet) + *branch, ready, 1);
        } else if (is_full(n, there)) {
            there->wanted |= (uint64_t)1 << in->bit;
            still |= mine;
            continue;
        } else {
            at = send(n, e, to, there, packet, *branch, ready, 1, 1);
            there->wanted &= ~((uint64_t)1 << in->bit);
        }
        behind->left = later32(behind->left, at);
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

/* There is a place more in an input, for one of those that wait. */
INLINE void wake(Loose *n, Ends *e, Input *in, int trees)
{
    int bit = chosen(n, in);
    in->wanted &= ~((uint64_t)1 << bit);
    in->turn = (uint8_t)(bit + 1);
    uint32_t k = (uint32_t)(in->feeder + bit * n->bytes);
    Input *waits = at_input(n, k);
    if (trees) {    /* others wait for one place at a time */
        if (waits->woken) return;
        waits->woken = 1;
    }
    Held *packet = place_of(waits, waits->head, n->mask);
    *e->soon[bit < SIDES ? LINKS : CORES]++ =
        (Entry){k, later32(packet->when, waits->gone), next_of(n, waits, packet->word, trees)};
}

/* The first packet of an input leaves, if it can. */
INLINE void visit(Loose *n, Ends *e, int kind, Entry entry, int each, int trees)
{
    Input *in = at_input(n, entry.input);
    const uint32_t mask = n->mask;
    uint32_t head = in->head;
    Held *packet = place_of(in, head, mask);
    int32_t at;
    if (trees) {
        in->woken = 0;
        at = split(n, e, in, packet, entry.ready);
        if (at == NOBODY) return;
    } else if (entry.next & DOOR) {
        at = deliver(n, at_door(n, entry.next), packet->word >> n->core_bits,
                     each ? *number_of(n, packet) : 0, entry.ready, each);
    } else {
        Input *there = at_input(n, entry.next);
        if (is_full(n, there)) {
            there->wanted |= (uint64_t)1 << in->bit;
            return;
        }
        at = send(n, e, entry.next, there, packet, packet->word, entry.ready, each, trees);
    }
    int32_t gone = at + n->interval;
    in->gone = gone;
    /* where the packet comes to that gets its place */
    place_of(in, head + n->full, mask)->when = gone;
    head += (uint32_t)sizeof(Held);
    in->head = head;
    const Held *first = place_of(in, head, mask);
    Entry again = {entry.input, later32(first->when, gone), next_of(n, in, first->word, trees)};
    if (kind == LINKS) {
        list(e, LINKS, again, in->tail != head);
        if (in->wanted) wake(n, e, in, trees);
        return;
    }
    if (in->tail != head) list(e, CORES, again, 1);     /* nearly always */
    if (in->hungry | is_low(in)) {
        in->hungry = 0;
        fill(n, e, &n->core[in->feeder], each, trees);
    }
}

/* What was parked and falls due before the horizon is to be visited. */
static void unpark(Loose *n, Ends *e, int kind)
{
    Entry *kept = n->parked[kind], *end = e->parked[kind], *soon = e->soon[kind];
    for (const Entry *entry = kept; entry != end; entry++) {
        Entry what = *entry;
        uint32_t now = what.ready < e->horizon;
        *soon = what;
        soon += now;
        *kept = what;
        kept += now ^ 1;
    }
    e->soon[kind] = soon;
    e->parked[kind] = kept;
}

/* The span begins that a tick is in; whether any input is due in it. */
static int begin_span(Loose *n, Ends *e, int32_t tick)
{
    int any = 0;
    e->horizon = ((tick >> n->shift) + 1) << n->shift;
    for (int kind = 0; kind < KINDS; kind++) {
        const Entry *before = e->soon[kind];
        unpark(n, e, kind);
        any |= e->soon[kind] != before;
    }
    return any;
}

/* The next span in which any input is due begins, mostly the very next one; 0: there is none. */
static int next_span(Loose *n, Ends *e)
{
    int32_t least = INT32_MAX;
    if (e->horizon <= LATEST && begin_span(n, e, e->horizon)) return 1;
    for (int kind = 0; kind < KINDS; kind++)
        for (const Entry *entry = n->parked[kind]; entry != e->parked[kind]; entry++)
            least = least < entry->ready ? least : entry->ready;
    if (least <= LATEST) return begin_span(n, e, least);
    n->too_long |= least != INT32_MAX;
    return 0;
}

INLINE void rounds(Loose *n, Ends *given, int each, int trees)
{
    Ends e = *given;
    int which = 0;
    for (int32_t c = 0; c < n->cores; c++) fetch_spike(n, &n->core[c], trees);
    for (int32_t c = 0; c < n->cores; c++) {
        next_spike(n, &n->core[c], each, trees);
        fill(n, &e, &n->core[c], each, trees);
    }
    do {
        for (;;) {
            const Entry *link = n->list[which][LINKS], *links = e.soon[LINKS];
            const Entry *core = n->list[which][CORES], *cores = e.soon[CORES];
            if (link == links && core == cores) break;
            which ^= 1;
            for (int kind = 0; kind < KINDS; kind++) e.soon[kind] = n->list[which][kind];
            for (; link != links; link++) {
                FETCH(n->input + link[AHEAD].next);
                visit(n, &e, LINKS, *link, each, trees);
            }
            for (; core != cores; core++) {
                FETCH(n->input + core[AHEAD].next);
                FETCH(n->input + core[AHEAD].input);    /* not looked at for long */
                FETCH(n->input + core[AHEAD].input + LINE);
                visit(n, &e, CORES, *core, each, trees);
            }
        }
    } while (!n->too_long && next_span(n, &e));
}

static void run(Loose *n, Ends *e)
{
    if (n->t->tree) rounds(n, e, 1, 1);
    else if (n->t->made || n->t->sent || n->t->arrived || n->t->done) rounds(n, e, 1, 0);
    else rounds(n, e, 0, 0);
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
    Ends e = {.horizon = (int32_t)1 << n->shift};
    for (int kind = 0; kind < KINDS; kind++)
        e.soon[kind] = n->list[0][kind], e.parked[kind] = n->parked[kind];
    clear(n);
    for (int32_t c = 0; c < n->cores; c++) {
        Core *core = &n->core[c];
        *core = (Core){.input = core->input, .sends = core->input, .end = core->end,
                       .spike = first[c], .last = first[c + 1]};
    }
    run(n, &e);
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
