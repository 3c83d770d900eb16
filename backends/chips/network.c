/* Messages on a mesh whose routers have finite buffers: network.py in C, equal to it to the tick.
 *
 * Within a tick, whatever falls due is taken first, then free cores begin with what waits for them,
 * then free outputs take a message each. The order within each of the three makes no difference. */

#include "network.h"

#include <stdlib.h>
#include <string.h>

#ifndef SL_SOURCE
#define SL_SOURCE 0
#endif

enum { SLOTS = 1024, WORDS = SLOTS / 64, SIDES = 4, NOBODY = -1 };
enum { MADE, WORKED };

/* An input of a router. */
typedef struct {
    int32_t output;         /* that its first message asks for, or that the last one takes */
    int32_t feeder;         /* output that leads here; NOBODY: a core */
    int32_t core;           /* that feeds it, or NOBODY */
    int32_t base;           /* input 0 of its router */
    int16_t row, column;
    int16_t head, count;
    int32_t held;           /* where its messages are */
    int16_t room;           /* left, as a core that feeds it sees it */
    int8_t busy, bit;
    int64_t since;          /* when its first message asked */
} Input;

/* An output of a router: a link to another one, or to a core. */
typedef struct {
    uint64_t wanted;        /* inputs that ask for it */
    int32_t target;         /* input, or core and network */
    int32_t base;           /* input 0 of its router */
    int32_t room;           /* left behind it */
    int32_t link;           /* its number in Traffic, or NOBODY */
    int8_t turn;            /* the first input whose turn it is */
    int8_t free, ready, side;
} Output;

typedef struct {
    int32_t next, last;     /* messages to make */
    int32_t sends, turn;    /* network of the next message it sends, and of the next it takes */
    int32_t message;        /* that it works on */
    int32_t input;          /* of its router in network 0 */
    uint32_t place;         /* row, column, port; as in Held */
    int8_t waiting, working, ready;
} Core;

/* A message that is held, and where it goes: row << 20 | column << 8 | port. */
typedef struct {
    int32_t message;
    uint32_t place;
} Held;

/* Events that fall due a fixed time after they are made stay in order by themselves. */
typedef struct {
    int64_t when;
    Held held;
    int32_t what;           /* input, or core and network */
    int32_t unused;
} Due;

typedef struct {
    Due *due;
    uint32_t mask, first, last;
    int64_t delay;
} Line;

/* Others go round on a wheel. */
typedef struct {
    int64_t when;
    int32_t next, kind, core;
} Event;

struct Net {
    Mesh m;
    Traffic *t;
    int64_t now, end, alive;        /* end: when the last message was done */
    int32_t inputs, ways, plane;    /* inputs of a router, of all, and of one network */
    Input *input;
    Output *output;
    Core *core;
    Held *held;                     /* (inputs, buffer) */
    int32_t *received;              /* (cores, networks, receive) */
    int16_t *queue;                 /* (cores, networks, 2) first and count of them */
    int32_t *ready, *idle;          /* outputs and cores to look at in this tick */
    int32_t readies, idles;
    Line hop[SIDES], inject, eject, done;
    int32_t slot[SLOTS];
    uint64_t used[WORDS];
    Event *event;
    int32_t unused;
};

static inline int lowest(uint64_t set)
{
#if defined(__GNUC__)
    return __builtin_ctzll(set);
#else
    int bit = 0;
    for (; !(set & 1); set >>= 1) bit++;
    return bit;
#endif
}

static inline void at(Net *n, int64_t when, int32_t kind, int32_t core)
{
    int32_t e = n->unused, s = (int32_t)(when & (SLOTS - 1));
    n->unused = n->event[e].next;
    n->event[e] = (Event){when, n->slot[s], kind, core};
    n->slot[s] = e;
    n->used[s >> 6] |= (uint64_t)1 << (s & 63);
    n->alive++;
}

static inline void queue_up(Net *n, Line *line, int32_t what, Held held)
{
    line->due[line->last++ & line->mask] = (Due){n->now + line->delay, held, what, 0};
    n->alive++;
}

/* An output, or a core, is looked at at the end of this tick. */
static inline void touch(Net *n, int32_t number)
{
    Output *o = &n->output[number];
    if (o->wanted && o->free && o->room && !o->ready) {
        o->ready = 1;
        n->ready[n->readies++] = number;
    }
}

static inline void touch_core(Net *n, int32_t c)
{
    if (n->core[c].working || n->core[c].ready) return;
    n->core[c].ready = 1;
    n->idle[n->idles++] = c;
}

/* The first message of an input asks for its output: columns first, then rows. */
static inline void ask(Net *n, Input *in, Held first)
{
    int32_t row = (int32_t)(first.place >> 20), column = (int32_t)(first.place >> 8 & 4095), side;
    if (column != in->column)
        side = column > in->column ? 1 : 3;
    else if (row != in->row)
        side = row < in->row ? 0 : 2;
    else
        side = SIDES + (int32_t)(first.place & 255);
    in->output = in->base + side;
    in->since = n->now;
    n->output[in->output].wanted |= (uint64_t)1 << in->bit;
    touch(n, in->output);
}

static void make(Net *n, int32_t c)
{
    int32_t next = n->core[c].next;
    if (next == NOBODY) return;
    const Message *message = &n->t->message[next];
    at(n, (message->made > n->now ? message->made : n->now) + message->make, MADE, c);
}

static void inject(Net *n, int32_t c)
{
    Core *core = &n->core[c];
    int32_t number = core->input + core->sends * n->plane;
    core->waiting = !n->input[number].room;
    if (core->waiting) return;
    n->input[number].room--;
    Held held = {core->next, n->core[n->t->message[core->next].target].place};
    n->t->message[core->next].sent = n->now;
    core->next = n->t->message[core->next].follow;
    core->sends = core->sends + 1 < n->m.networks ? core->sends + 1 : 0;
    queue_up(n, &n->inject, number, held);
    make(n, c);
}

static inline void arrive(Net *n, int32_t number, Held held)
{
    Input *in = &n->input[number];
    int32_t place = in->head + in->count, size = (int32_t)n->m.buffer;
    n->held[in->held + (place < size ? place : place - size)] = held;
    if (!in->count++ && !in->busy) ask(n, in, held);
}

/* The last message of an input is gone: its output is free, and there is room for another. */
static inline void done(Net *n, int32_t number)
{
    Input *in = &n->input[number];
    in->busy = 0;
    n->output[in->output].free = 1;
    touch(n, in->output);
    if (in->count) ask(n, in, n->held[in->held + in->head]);
    if (in->feeder != NOBODY) {
        n->output[in->feeder].room++;
        touch(n, in->feeder);
        return;
    }
    in->room++;
    if (n->core[in->core].waiting) inject(n, in->core);
}

static inline void receive(Net *n, int32_t what, int32_t message)
{
    int16_t *queue = n->queue + 2 * what;
    int32_t place = queue[0] + queue[1]++, size = (int32_t)n->m.receive;
    n->t->message[message].arrived = n->now;
    n->received[what * size + (place < size ? place : place - size)] = message;
    touch_core(n, n->m.networks == 1 ? what : n->m.networks == 2 ? what >> 1 : what / (int32_t)n->m.networks);
}

static void begin_work(Net *n, int32_t c)
{
    Core *core = &n->core[c];
    int32_t networks = (int32_t)n->m.networks, size = (int32_t)n->m.receive;
    core->ready = 0;
    for (int32_t k = 0; k < networks; k++) {
        int32_t network = core->turn + k < networks ? core->turn + k : core->turn + k - networks;
        int32_t what = c * networks + network, o = core->input + network * n->plane;
        int16_t *queue = n->queue + 2 * what;
        if (!queue[1]) continue;
        core->message = n->received[what * size + queue[0]];
        queue[0] = (int16_t)(queue[0] + 1 < size ? queue[0] + 1 : 0);
        queue[1]--;
        core->turn = network + 1 < networks ? network + 1 : 0;
        core->working = 1;
        at(n, n->now + n->t->message[core->message].work, WORKED, c);
        n->output[o].room++;
        touch(n, o);
        return;
    }
}

/* One message takes an output. */
static inline void grant(Net *n, int32_t number)
{
    Output *o = &n->output[number];
    o->ready = 0;
    uint64_t later = o->wanted >> o->turn << o->turn;
    int32_t bit = lowest(later ? later : o->wanted), b = o->base + bit;
    Input *in = &n->input[b];
    Held held = n->held[in->held + in->head];
    in->head = (int16_t)(in->head + 1 < n->m.buffer ? in->head + 1 : 0);
    in->count--;
    in->busy = 1;
    o->wanted &= ~((uint64_t)1 << bit);
    o->turn = (int8_t)(bit + 1 < n->inputs ? bit + 1 : 0);
    o->free = 0;
    o->room--;
    queue_up(n, &n->done, b, held);
    if (o->side >= SIDES) {
        queue_up(n, &n->eject, o->target, held);
        return;
    }
    n->t->passed[o->link]++;
    n->t->waited[o->link] += n->now - in->since;
    queue_up(n, &n->hop[o->side], o->target, held);
}

/* The first tick from `from` on in which anything of the wheel happens. */
static int64_t next_event(const Net *n, int64_t from)
{
    int64_t best = INT64_MAX;
    for (int32_t k = 0; k <= WORDS; k++) {
        int64_t base = (from >> 6) + k;
        uint64_t set = n->used[base & (WORDS - 1)];
        if (!k) set &= ~(uint64_t)0 << (from & 63);
        for (; set; set &= set - 1) {
            int64_t when = base * 64 + lowest(set);
            for (int32_t e = n->slot[when & (SLOTS - 1)]; e != NOBODY; e = n->event[e].next) {
                if (n->event[e].when == when) return when < best ? when : best;
                if (n->event[e].when < best) best = n->event[e].when;
            }
        }
    }
    return best;
}

static inline int64_t earlier(const Line *line, int64_t best)
{
    if (line->first == line->last) return best;
    int64_t when = line->due[line->first & line->mask].when;
    return when < best ? when : best;
}

static int64_t next_tick(const Net *n)
{
    int64_t best = earlier(&n->done, INT64_MAX);
    for (int32_t s = 0; s < SIDES; s++) best = earlier(&n->hop[s], best);
    best = earlier(&n->inject, earlier(&n->eject, best));
    if (best == n->now + 1) return best;
    int64_t other = next_event(n, n->now + 1);
    return other < best ? other : best;
}

static inline const Due *take(Net *n, Line *line)
{
    if (line->first == line->last) return NULL;
    const Due *due = &line->due[line->first & line->mask];
    if (due->when != n->now) return NULL;
    line->first++;
    n->alive--;
    return due;
}

/* What goes round on the wheel and falls due now. */
static void turn_wheel(Net *n)
{
    int32_t s = (int32_t)(n->now & (SLOTS - 1)), e = n->slot[s], kept = NOBODY, next;
    if (e == NOBODY) return;
    n->slot[s] = NOBODY;
    for (; e != NOBODY; e = next) {
        Event event = n->event[e];
        next = event.next;
        if (event.when != n->now) {
            n->event[e].next = kept;
            kept = e;
            continue;
        }
        n->event[e].next = n->unused;
        n->unused = e;
        n->alive--;
        Core *core = &n->core[event.core];
        if (event.kind == MADE) {
            n->t->message[core->next].made = n->now;
            inject(n, event.core);
        } else {
            core->working = 0;
            n->t->message[core->message].done = n->end = n->now;
            n->t->finished[n->t->finishes++] = core->message;
            touch_core(n, event.core);
        }
    }
    for (; kept != NOBODY; kept = next) { /* of a later turn */
        next = n->event[kept].next;
        n->event[kept].next = n->slot[s];
        n->slot[s] = kept;
    }
    if (n->slot[s] == NOBODY) n->used[s >> 6] &= ~((uint64_t)1 << (s & 63));
}

static void tick(Net *n)
{
    const Due *due;
    n->readies = n->idles = 0;
    while ((due = take(n, &n->done))) done(n, due->what);
    for (int32_t s = 0; s < SIDES; s++)
        while ((due = take(n, &n->hop[s]))) arrive(n, due->what, due->held);
    while ((due = take(n, &n->inject))) arrive(n, due->what, due->held);
    while ((due = take(n, &n->eject))) receive(n, due->what, due->held.message);
    turn_wheel(n);
    for (int32_t k = 0; k < n->idles; k++) begin_work(n, n->idle[k]);
    for (int32_t k = 0; k < n->readies; k++) grant(n, n->ready[k]);
}

/* The mesh at rest. */
static void clear(Net *n)
{
    const Mesh *m = &n->m;
    int32_t columns = (int32_t)m->columns, tiles = (int32_t)(m->rows * m->columns);
    for (int32_t k = 0; k < n->ways; k++) {
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
        if (core != NOBODY) target = core * (int32_t)m->networks + router / tiles;
        n->input[k] = (Input){.output = NOBODY, .feeder = far, .core = core, .base = base,
                              .row = (int16_t)row, .column = (int16_t)column,
                              .held = k * (int32_t)m->buffer, .room = (int16_t)m->buffer,
                              .bit = (int8_t)i};
        n->output[k] = (Output){.free = 1, .target = target, .base = base, .side = (int8_t)i,
                                .link = i < SIDES ? router * SIDES + i : NOBODY,
                                .room = (int32_t)(i < SIDES ? m->buffer : m->receive)};
    }
    for (int32_t c = 0; c < m->cores; c++) {
        uint32_t row = (uint32_t)(m->tile[c] / columns), column = (uint32_t)(m->tile[c] % columns);
        n->core[c] = (Core){.next = NOBODY, .last = NOBODY,
                            .input = m->tile[c] * n->inputs + SIDES + m->port[c],
                            .place = row << 20 | column << 8 | (uint32_t)m->port[c]};
    }
    memset(n->queue, 0, (size_t)(m->cores * m->networks * 2) * sizeof *n->queue);
    n->now = n->end = 0;
}

static size_t room(Line *line, int64_t most, int64_t delay)
{
    uint32_t size = 2;
    while (size <= most) size *= 2;
    *line = (Line){.mask = size - 1, .delay = delay};
    return size * sizeof(Due);
}

/* NULL where there is no memory. The mesh's tables must stay where they are. */
EXPORT Net *sl_chips_open(const Mesh *mesh)
{
    Net *n = calloc(1, sizeof *n);
    if (!n) return NULL;
    n->m = *mesh;
    int64_t tiles = mesh->rows * mesh->columns, events = 2 * mesh->cores + 1;
    n->inputs = SIDES + (int32_t)mesh->ports;
    n->plane = (int32_t)tiles * n->inputs;
    n->ways = (int32_t)mesh->networks * n->plane;
    Line *lines[] = {n->hop, n->hop + 1, n->hop + 2, n->hop + 3, &n->inject, &n->eject, &n->done};
    size_t ways = (size_t)n->ways, cores = (size_t)mesh->cores;
    size_t size[15] = {ways * sizeof(Input), ways * sizeof(Output), cores * sizeof(Core),
                       ways * (size_t)mesh->buffer * sizeof(Held),
                       cores * (size_t)(mesh->networks * mesh->receive) * sizeof(int32_t),
                       cores * (size_t)mesh->networks * 2 * sizeof(int16_t),
                       (ways + cores) * sizeof(int32_t), (size_t)events * sizeof(Event)};
    for (int k = 0; k < SIDES; k++)
        size[8 + k] = room(lines[k], mesh->networks * tiles * mesh->buffer, mesh->hop[k]);
    size[12] = room(&n->inject, mesh->networks * mesh->cores * mesh->buffer, mesh->inject);
    size[13] = room(&n->eject, mesh->networks * mesh->cores * mesh->receive, mesh->eject);
    size[14] = room(&n->done, n->ways, mesh->interval);
    size_t total = 0;
    for (int k = 0; k < 15; k++) total += size[k] = (size[k] + 63) & ~(size_t)63;
    char *part[15], *p = calloc(1, total);
    if (!p) {
        free(n);
        return NULL;
    }
    for (int k = 0; k < 15; p += size[k++]) part[k] = p;
    n->input = (Input *)part[0];
    n->output = (Output *)part[1];
    n->core = (Core *)part[2];
    n->held = (Held *)part[3];
    n->received = (int32_t *)part[4];
    n->queue = (int16_t *)part[5];
    n->ready = (int32_t *)part[6];
    n->idle = n->ready + n->ways;
    n->event = (Event *)part[7];
    for (int k = 0; k < 7; k++) lines[k]->due = (Due *)part[8 + k];
    for (int32_t e = 0; e < events; e++) n->event[e].next = e + 1;
    for (int32_t s = 0; s < SLOTS; s++) n->slot[s] = NOBODY;
    clear(n);
    return n;
}

EXPORT void sl_chips_close(Net *n)
{
    free(n->input);
    free(n);
}

/* A core gets the messages `first` to `last - 1` to make, after those that it has. */
EXPORT void sl_chips_feed(Net *n, Traffic *t, int64_t c, int64_t first, int64_t last)
{
    Core *core = &n->core[c];
    if (first == last) return;
    n->t = t;
    for (int64_t k = first; k < last; k++)
        t->message[k].follow = k + 1 < last ? (int32_t)k + 1 : NOBODY;
    int idle = core->next == NOBODY;
    if (idle)
        core->next = (int32_t)first;
    else
        t->message[core->last].follow = (int32_t)first;
    core->last = (int32_t)last - 1;
    if (idle) make(n, (int32_t)c);
}

/* Everything up to and with the tick `until`; returns the last tick in which anything happened. */
EXPORT int64_t sl_chips_advance(Net *n, Traffic *t, int64_t until)
{
    n->t = t;
    while (n->alive) {
        int64_t next = next_tick(n);
        if (next > until) break;
        n->now = next;
        tick(n);
    }
    return n->now;
}

/* Steps of their own, each from tick 0 on a mesh at rest until the last message is done. */
EXPORT void sl_chips_steps(Net *n, Traffic *t, int64_t steps, const int64_t *first, int64_t *end)
{
    for (int64_t s = 0; s < steps; s++, first += n->m.cores) {
        clear(n);
        for (int64_t c = 0; c < n->m.cores; c++) sl_chips_feed(n, t, c, first[c], first[c + 1]);
        sl_chips_advance(n, t, INT64_MAX);
        end[s] = n->end;
    }
}

EXPORT int64_t sl_chips_size(int32_t which) { return which ? sizeof(Traffic) : sizeof(Mesh); }
EXPORT int64_t sl_chips_source(void) { return SL_SOURCE; }
