/* Packets on a mesh whose routers have finite buffers: network.py in C, equal to it to the tick.
 *
 * There are two kinds of events: the first packet of an input asks for its output, and an output that
 * was found taken or without room is tried again. Within a tick all that fall due are heard first, then
 * free outputs take a packet each; the order within each of the two makes no difference. All else
 * follows without events: a place of a buffer, a link and a packet on its way know the tick from
 * which on they are there, a core's packets enter its router's buffer ahead of their time, and what
 * a core takes in is worked through when somebody waits for the room. */

#include "net.h"

#if defined(__GNUC__)
#define PREFETCH(what) __builtin_prefetch(what)
#else
#define PREFETCH(what) (void)(what)
#endif

/* How many bits are set; without an instruction for it, which not every processor has. */
static inline int amount(uint64_t set)
{
    set -= set >> 1 & 0x5555555555555555u;
    set = (set & 0x3333333333333333u) + (set >> 2 & 0x3333333333333333u);
    return (int)(((set + (set >> 4)) & 0x0f0f0f0f0f0f0f0fu) * 0x0101010101010101u >> 56);
}

/* ---------------------------------------------------------------------- events */

static inline void turn_in(Net *n, int64_t when, int32_t what)
{
    int32_t s = (int32_t)(when & (SLOTS - 1));
    n->next[what] = n->slot[s];
    n->slot[s] = what;
    n->used[s >> 6] |= (uint64_t)1 << (s & 63);
}

static inline void at(Net *n, int64_t when, int32_t what)
{
    n->alive++;
    if (when - n->now < SLOTS)
        turn_in(n, when, what);
    else
        n->far[n->fars++] = (Far){when, what};
}

/* The wheel begins the turn of tick `from`, in which some far events fall due. */
static void fetch(Net *n, int64_t from)
{
    int64_t end = (from & ~(int64_t)(SLOTS - 1)) + SLOTS;
    int32_t kept = 0;
    for (int32_t k = 0; k < n->fars; k++) {
        if (n->far[k].when < end)
            turn_in(n, n->far[k].when, n->far[k].what);
        else
            n->far[kept++] = n->far[k];
    }
    n->fars = kept;
}

static inline void wake(Net *n, int64_t when, int32_t number)
{
    if (n->output[number].waking) return;
    n->output[number].waking = 1;
    at(n, when, n->ways + number);
}

/* An output that is wanted is looked at when it is free: at the end of this tick, or later. */
static inline void touch(Net *n, int32_t number)
{
    Output *o = &n->output[number];
    if (o->free_at > n->now) {
        wake(n, o->free_at, number);
    } else if (!o->ready) {
        o->ready = 1;
        n->ready[n->readies++] = number;
    }
}

/* ---------------------------------------------------------------------- buffers */

static inline Held *place_of(const Net *n, int32_t number, int32_t k)
{
    return &n->held[number * n->buffer + (k < n->buffer ? k : k - n->buffer)];
}

/* A packet comes to an input. */
static inline void push(Net *n, int32_t number, Held packet)
{
    Input *in = &n->input[number];
    if (in->count++) {
        *place_of(n, number, in->head + in->count - 2) = packet;
        return;
    }
    in->first = packet;
    at(n, later(packet.when, in->free_at), number);
}

/* The first packet of an input is gone in the tick `gone`. */
static inline void pop(Net *n, int32_t number, int64_t gone)
{
    Input *in = &n->input[number];
    in->free_at = gone;
    if (!--in->count) {
        in->head = 0;
        return;
    }
    in->first = *place_of(n, number, in->head);
    in->head = (int16_t)(in->head + 1 < n->buffer ? in->head + 1 : 0);
    at(n, later(gone, in->first.when), number);
}

/* ---------------------------------------------------------------------- cores that take packets */

/* A core works through what it has begun with up to this tick; returns when it begins again. */
static int64_t work(Net *n, int32_t c, int64_t now)
{
    Core *core = &n->core[c];
    Traffic *t = n->t;
    for (;;) {
        int64_t begin = INT64_MAX;
        if (core->working && core->free <= now) {
            core->working = 0;
            if (t->finished) t->finished[t->finishes++] = (int32_t)core->works_on;
        }
        for (int32_t k = 0; k < n->networks; k++) {
            const Queue *queue = &n->queue[c * n->networks + k];
            if (queue->count && queue->when < begin) begin = queue->when;
        }
        if (begin == INT64_MAX) return begin;
        begin = later(begin, core->free);
        if (begin > now) return begin;
        int32_t k = core->turn;
        while (!n->queue[c * n->networks + k].count || n->queue[c * n->networks + k].when > begin)
            k = k + 1 < n->networks ? k + 1 : 0;
        int32_t what = c * n->networks + k;
        Queue *queue = &n->queue[what];
        const Held *packet = &n->received[what * n->receive + queue->first];
        core->free = begin + (t->tree ? (uint32_t)t->work[packet->load] : packet->load);
        core->works_on = packet->number;
        core->working = 1;
        core->turn = (uint8_t)(k + 1 < n->networks ? k + 1 : 0);
        if (t->done) t->done[packet->number * t->stride] = core->free;
        queue->first = queue->first + 1 < n->receive ? queue->first + 1 : 0;
        if (--queue->count) queue->when = n->received[what * n->receive + queue->first].when;
        n->output[core->input + k * n->plane].room++;
    }
}

static inline int32_t core_of(const Net *n, int32_t what)
{
    return n->networks == 1 ? what : n->networks == 2 ? what >> 1 : what / n->networks;
}

/* A packet goes to a core. */
static inline void deliver(Net *n, int32_t what, Held packet)
{
    Queue *queue = &n->queue[what];
    int32_t place = queue->first + queue->count;
    if (place >= n->receive) place -= n->receive;
    n->received[what * n->receive + place] = packet;
    if (!queue->count++) queue->when = packet.when;
    if (n->t->arrived) n->t->arrived[packet.number * n->t->stride] = packet.when;
}

/* ---------------------------------------------------------------------- cores that make packets */

/* When the core's next packet is ready, if it has one. */
static inline void make(Net *n, Core *core)
{
    if (core->left) {
        core->left--;
        core->packet++;
        core->number++;
        core->made = core->sent + core->rest;
    } else if (core->next == NOBODY) {
        core->busy = 0;
        return;
    } else {
        const Spike *s = &n->t->spike[core->next];
        core->busy = 1;
        core->made = later(s->begin, core->sent) + s->lead;
        core->spike = core->next;
        core->next = s->follow;
        core->packet = s->first;
        core->left = s->count - 1;
        core->number = s->number;
        core->rest = s->rest;
    }
    if (n->t->made) n->t->made[(n->t->tree ? core->spike : core->number) * n->t->stride] = core->made;
}

/* A core's packets enter its router as long as there are places. */
static void fill(Net *n, int32_t c)
{
    Core *core = &n->core[c];
    Traffic *t = n->t;
    while (core->busy) {
        int32_t number = core->input + core->sends * n->plane;
        Input *in = &n->input[number];
        if (in->count == n->buffer) {
            in->blocked = 1;
            return;
        }
        core->sent = in->count + 1 < n->buffer ? core->made : later(core->made, in->free_at);
        if (t->sent) t->sent[(t->tree ? core->spike : core->number) * t->stride] = core->sent;
        core->sends = (uint8_t)(core->sends + 1 < n->networks ? core->sends + 1 : 0);
        int32_t target = t->target[core->packet];
        Held packet = {.when = core->sent + n->m.inject, .number = (uint32_t)core->number};
        if (t->tree) {
            packet.load = (uint32_t)target;
            PREFETCH(&t->tree[target]);
        } else {
            packet.place = (uint32_t)target;
            packet.load = (uint32_t)t->work[core->packet];
        }
        push(n, number, packet);
        make(n, core);
    }
}

void sl_chips_begin(Net *n, int32_t c)
{
    n->core[c].sent = later(n->core[c].sent, n->now);
    make(n, &n->core[c]);
    fill(n, c);
}

/* ---------------------------------------------------------------------- routers */

/* The first packet of an input asks for its outputs. */
static inline void ask(Net *n, int32_t number)
{
    Input *in = &n->input[number];
    int32_t base = number - in->bit;
    in->since = n->now;
    if (!n->t->tree) {
        int32_t o = base + n->way[in->ways + in->first.place];
        n->output[o].wanted |= (uint64_t)1 << in->bit;
        touch(n, o);
        return;
    }
    in->pending = outputs_of(n->t->tree + in->first.load);
    for (uint64_t set = in->pending; set; set &= set - 1) {
        int32_t o = base + lowest(set);
        n->output[o].wanted |= (uint64_t)1 << in->bit;
        touch(n, o);
    }
}

/* The first packet of an input has all its outputs, and leaves. */
static inline void leave(Net *n, int32_t number)
{
    Input *in = &n->input[number];
    int64_t gone = n->now + n->m.interval;
    pop(n, number, gone);
    if (!in->blocked) return;
    in->blocked = 0;
    if (in->local)
        fill(n, in->feeder);
    else
        wake(n, gone, in->feeder);
}

/* The input whose packet an output takes, of those that ask for it: network.py's FIXED. */
static inline int fixed(const Output *o)
{
    static const uint8_t order[SIDES + 1][4] = {
        {2, 3, 1, 1}, {3, 3, 3, 3}, {0, 3, 1, 1}, {1, 1, 1, 1}, {0, 2, 3, 1}};
    const uint8_t *mine = order[o->side < SIDES ? o->side : SIDES];
    for (int k = 0; k < 4; k++)
        if (o->wanted >> mine[k] & 1) return mine[k];
    return lowest(o->wanted);
}

/* One packet takes an output, if there is room behind it. */
static inline void grant(Net *n, int32_t number)
{
    Output *o = &n->output[number];
    o->ready = 0;
    if (o->side >= SIDES) {
        if (!o->room) {
            int64_t begin = work(n, core_of(n, o->target), n->now);
            if (!o->room) {
                wake(n, begin, number);
                return;
            }
        }
    } else {
        Input *behind = &n->input[o->target];
        if (behind->count == n->buffer) {
            behind->blocked = 1; /* it calls when it has a place */
            return;
        }
        if (behind->count + 1 == n->buffer && behind->free_at > n->now) {
            wake(n, behind->free_at, number);
            return;
        }
    }
    uint64_t from = o->wanted >> o->turn << o->turn;
    int32_t bit = n->m.fixed ? fixed(o) : lowest(from ? from : o->wanted), b = o->base + bit;
    Input *in = &n->input[b];
    Held packet = in->first;
    o->wanted &= ~((uint64_t)1 << bit);
    o->turn = (uint8_t)(bit + 1);
    o->free_at = n->now + n->m.interval;
    if (o->wanted) wake(n, o->free_at, number);
    packet.when = n->now + o->hop;
    if (n->t->tree) {
        const uint32_t *node = n->t->tree + packet.load;
        uint64_t mine = (uint64_t)1 << o->side;
        packet.load = node[NODE + amount(outputs_of(node) & (mine - 1))];
        in->pending &= ~mine;
        /* Trees are many, and lie far from each other. */
        if (o->side >= SIDES) {
            packet.number += packet.load;
            PREFETCH(&n->t->work[packet.load]);
        } else {
            PREFETCH(&n->t->tree[packet.load]);
        }
    }
    if (!n->t->tree || !in->pending) leave(n, b);
    if (o->side < SIDES) {
        o->passed++;
        o->waited += n->now - in->since;
        push(n, o->target, packet);
    } else {
        o->room--;
        deliver(n, o->target, packet);
    }
}

/* ---------------------------------------------------------------------- time */

static inline void tick(Net *n, int32_t s)
{
    int32_t e = n->slot[s], next, ways = n->ways;
    n->slot[s] = NOBODY;
    n->readies = 0;
    for (; e != NOBODY; e = next) {
        next = n->next[e];
        n->alive--;
        if (e < ways) {
            ask(n, e);
        } else {
            n->output[e - ways].waking = 0;
            if (n->output[e - ways].wanted) touch(n, e - ways);
        }
    }
    for (int32_t k = 0; k < n->readies; k++) grant(n, n->ready[k]);
}

/* The first tick from `from` on in which anything on the wheel happens, before its turn ends, or the
 * first one of the next turn. */
static inline int64_t next_tick(const Net *n, int64_t from)
{
    int64_t base = from & ~(int64_t)(SLOTS - 1);
    int32_t s = (int32_t)(from - base), word = s >> 6;
    uint64_t set = n->used[word] >> (s & 63) << (s & 63);
    while (!set) {
        if (++word == WORDS) return base + SLOTS;
        set = n->used[word];
    }
    return base + word * 64 + lowest(set);
}

/* Everything up to and with the tick `until`. */
void sl_chips_run(Net *n, int64_t until)
{
    while (n->alive) {
        int64_t from = n->now + 1;
        if (n->alive == n->fars) { /* nothing on the wheel: to the turn of the first far event */
            int64_t first = INT64_MAX;
            for (int32_t k = 0; k < n->fars; k++)
                if (n->far[k].when < first) first = n->far[k].when;
            if (first > until) return;
            from = later(from, first & ~(int64_t)(SLOTS - 1));
            fetch(n, from);
        } else if (!(from & (SLOTS - 1))) {
            fetch(n, from);
        }
        int64_t next = next_tick(n, from);
        if (next > until) return;
        int32_t s = (int32_t)(next & (SLOTS - 1));
        if ((next ^ from) & ~(int64_t)(SLOTS - 1)) { /* the next turn */
            n->now = next - 1;
            continue;
        }
        n->now = next;
        n->used[s >> 6] &= ~((uint64_t)1 << (s & 63));
        tick(n, s);
    }
}

/* All cores work through what they have up to and with the tick `until`. */
void sl_chips_settle(Net *n, int64_t until)
{
    for (int32_t c = 0; c < n->cores; c++) {
        work(n, c, until);
        n->end = later(n->end, n->core[c].free);
    }
}
