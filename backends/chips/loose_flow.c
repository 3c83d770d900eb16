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

#include "loose.h"

#include <stddef.h>

#if defined(__GNUC__)
#define FETCH(address) __builtin_prefetch(address)
#define APART static __attribute__((noinline))
#else
#define FETCH(address) ((void)(address))
#define APART static
#endif

/* Ends of the lists: what is to be visited in the next round, and what after this span. */
typedef struct {
    Entry *soon[KINDS], *parked[KINDS];
    int32_t horizon;        /* the tick at which this span ends */
} Ends;

enum { NODE = 2, FETCHED = 5 };

#define LOW ((uint32_t)sizeof(Held))    /* bytes of an input that its core fills again */

INLINE int32_t later32(int32_t a, int32_t b) { return a > b ? a : b; }

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
        if (tail == in->head)
            list(e, CORES,
                 (Entry){k, later32(held->when, in->gone), next_of(n, in, held->word, trees)}, 1);
        in->tail = tail + (uint32_t)sizeof(Held);
        if (--core->left) make(n, core, (int64_t)sent + core->rest, each, trees);
        else next_spike(n, core, each, trees);
    }
}

/* ---------------------------------------------------------------------- routers */

/* A packet goes to a core, which works on what comes in that order; returns when it leaves. */
INLINE int32_t deliver(Loose *n, Door *door, uint32_t load, uint32_t number, int32_t ready,
                       int each)
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

INLINE void rounds(Loose *n, int each, int trees)
{
    int which = 0;
    Ends e = {.horizon = (int32_t)1 << n->shift};
    for (int kind = 0; kind < KINDS; kind++) {
        e.soon[kind] = n->list[which][kind];
        e.parked[kind] = n->parked[kind];
    }
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

/* Each for itself, so that the compiler spends its registers on one at a time. */
APART void with_trees(Loose *n) { rounds(n, 1, 1); }
APART void with_times(Loose *n) { rounds(n, 1, 0); }
APART void with_sums(Loose *n) { rounds(n, 0, 0); }

void sl_chips_rounds(Loose *n)
{
    const Traffic *t = n->t;
    if (t->tree) with_trees(n);
    else if (t->made || t->sent || t->arrived || t->done) with_times(n);
    else with_sums(n);
}
