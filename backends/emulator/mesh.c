/* How long spikes take over a mesh of cores, and their rows there: hdl/mesh_cycles.py's `walk_mesh`,
 * from the spikes that a call of the kernel has recorded; and its `carry_flits`, which also tells
 * what became of each. */

#include "walk.h"

#include <stdlib.h>

enum { PORTS = 5, KINDS = 3 };

/* A flit under way: the cores not yet served, and its place in `list`. */
typedef struct {
    uint64_t to;
    int64_t place;
} Flit;

/* The flits that wait at an input of a router, the first one at `head` of `room` places. */
typedef struct {
    Flit *flits;
    int64_t head, count;
} Buffer;

/* A flit that moves at the end of a cycle. */
typedef struct {
    int32_t from, into; /* buffers; -1: from its sender, or into a core */
    Flit flit;
} Move;

/* A core and what it has still to send. */
typedef struct {
    Core core;
    int64_t next, ends[KINDS]; /* places in its part of `list`; where its kinds of senders end */
    int32_t flits;             /* in the buffers of its router */
} Place;

static void send(Mesh *mesh, Place *places, int64_t sender, int kind)
{
    Place *place = &places[mesh->home[sender]];
    for (int64_t k = mesh->start[sender]; k < mesh->start[sender + 1]; k++)
        mesh->list[place->ends[kind]++] = (uint32_t)k;
}

/* A kind of senders begins where the one before has ended. */
static void next_kind(const Mesh *mesh, Place *places, int kind)
{
    for (int64_t i = 0; i < mesh->cores; i++) places[i].ends[kind] = places[i].ends[kind - 1];
}

static void send_generators(Mesh *mesh, Place *places)
{
    Counter *c = mesh->counter;
    for (int64_t w = 0; w < (c->channels + 63) / 64; w++) {
        uint64_t set = c->set[w] & c->driven[w];
        c->set[w] = 0;
        for (; set; set &= set - 1) send(mesh, places, w * 64 + lowest_bit(set), 2);
    }
}

/* The first cycle in which a core can offer the next flit that it has. */
static int64_t offered(const Mesh *mesh, const Place *places, int64_t core, int64_t step)
{
    const Place *place = &places[core];
    int64_t kind = place->next < place->ends[0] ? 0 : place->next < place->ends[1] ? 1 : 2 + core;
    return mesh->counter->earliest[kind * mesh->counter->stride + step] - mesh->offered;
}

/* What goes through the outputs of a router in a cycle. */
static int64_t choose(const Mesh *mesh, const Buffer *buffers, int64_t core, Move *moves)
{
    int64_t count = 0;
    for (int port = 0; port < PORTS; port++) {
        uint64_t there = mesh->region[core * PORTS + port];
        int32_t into = mesh->into[core * PORTS + port];
        if (!there) continue;
        for (int k = 0; k < PORTS && mesh->priority[port * PORTS + k] >= 0; k++) {
            int32_t from = (int32_t)(core * PORTS + mesh->priority[port * PORTS + k]);
            const Buffer *buffer = &buffers[from];
            if (!buffer->count) continue;
            const Flit *head = &buffer->flits[buffer->head];
            if (!(head->to & there)) continue;
            if (into < 0 || buffers[into].count < mesh->room)
                moves[count++] = (Move){from, into, {head->to & there, head->place}};
            break;
        }
    }
    return count;
}

/* Counts who wants the outputs of a router in a cycle, and who gets them. */
static void note(const Mesh *mesh, const Buffer *buffers, int64_t core, const Move *moves,
                 int64_t count, Journal *journal)
{
    for (int port = 0; port < PORTS; port++) {
        int64_t output = core * PORTS + port;
        for (int k = 0; k < PORTS && mesh->region[output]; k++) {
            const Buffer *buffer = &buffers[core * PORTS + k];
            if (buffer->count && buffer->flits[buffer->head].to & mesh->region[output])
                journal->waited[output]++;
        }
    }
    for (; count--; moves++)
        for (int port = 0; port < PORTS; port++)
            if (moves->flit.to & mesh->region[core * PORTS + port]) {
                journal->waited[core * PORTS + port]--;
                journal->passed[core * PORTS + port]++;
            }
}

static int members(uint64_t set)
{
    int count = 0;
    for (; set; set &= set - 1) count++;
    return count;
}

/* A router's core takes a spike: its rows are walked in the order of arrival. */
static void arrive(const Mesh *mesh, Core *core, int64_t number, int64_t place, int64_t cycle,
                   Journal *journal)
{
    uint32_t flit = mesh->list[place];
    int64_t axon = mesh->table[number] + mesh->number[flit];
    int64_t last = core->last;
    core->last = cycle;
    walk_parts(mesh->counter, core, mesh->first[axon], mesh->end[axon], cycle + mesh->arrived);
    if (journal) {
        int64_t at = journal->first[place];
        at += members(mesh->to[flit] & (((uint64_t)1 << number) - 1));
        journal->arrived[at] = cycle;
        journal->done[at] = core->last;
    }
    core->last = core->last > cycle ? later(last, core->last) : last;
}

/* Its first flit is gone. */
static void drop(Buffer *buffer, int64_t room)
{
    buffer->head = buffer->head + 1 < room ? buffer->head + 1 : 0;
    buffer->count--;
}

static void push(Buffer *buffer, int64_t room, Flit flit)
{
    int64_t end = buffer->head + buffer->count++;
    buffer->flits[end < room ? end : end - room] = flit;
}

/* Let all that waits arrive. Returns the last cycle in which something does, 0 if nothing does. */
static int64_t carry(const Mesh *mesh, Place *places, Buffer *buffers, Move *moves, int64_t step,
                     Journal *journal)
{
    int64_t flits = 0, last = 0, room = mesh->room;
    for (int64_t cycle = 0;; cycle++) {
        int64_t next = INT64_MAX, count = 0;
        for (int64_t i = 0; i < mesh->cores; i++) {
            if (places[i].flits) {
                int64_t leave = choose(mesh, buffers, i, moves + count);
                if (journal) note(mesh, buffers, i, moves + count, leave, journal);
                count += leave;
            }
            if (places[i].next == places[i].ends[KINDS - 1]) continue;
            int64_t first = offered(mesh, places, i, step);
            next = first < next ? first : next;
            if (first > cycle || buffers[i * PORTS].count == room) continue;
            int64_t place = places[i].next++;
            if (journal) journal->taken[place] = cycle;
            moves[count++] =
                (Move){-1, (int32_t)(i * PORTS), {mesh->to[mesh->list[place]], place}};
        }
        if (!count && !flits) {
            if (next == INT64_MAX) return last;
            if (next > cycle) cycle = next - 1;
            continue;
        }
        for (int64_t k = 0; k < count; k++) {
            const Move *move = &moves[k];
            if (move->from >= 0) {
                Buffer *buffer = &buffers[move->from];
                Flit *head = &buffer->flits[buffer->head];
                head->to &= ~move->flit.to;
                if (!head->to) {
                    drop(buffer, room);
                    places[move->from / PORTS].flits--;
                    flits--;
                }
            }
            if (move->into < 0) {
                int64_t core = move->from / PORTS;
                arrive(mesh, &places[core].core, core, move->flit.place, cycle, journal);
                last = cycle;
            }
        }
        for (int64_t k = 0; k < count; k++) {
            if (moves[k].into < 0) continue;
            push(&buffers[moves[k].into], room, moves[k].flit);
            places[moves[k].into / PORTS].flits++;
            flits++;
        }
    }
}

/* What a call works on. */
typedef struct {
    Place *places;
    Buffer *buffers;
    Flit *flits;
    Move *moves;
} Work;

static void release(Work *work)
{
    free(work->places);
    free(work->buffers);
    free(work->flits);
    free(work->moves);
}

/* Whether there was memory for it; `release` it either way. */
static int prepare(const Mesh *mesh, Work *work)
{
    size_t cores = (size_t)mesh->cores, room = (size_t)mesh->room;
    work->places = calloc(cores, sizeof *work->places);
    work->buffers = calloc(cores * PORTS, sizeof *work->buffers);
    work->flits = calloc(cores * PORTS * room, sizeof *work->flits);
    work->moves = calloc(cores * (PORTS + 1), sizeof *work->moves);
    if (!work->places || !work->buffers || !work->flits || !work->moves) return 0;
    for (size_t i = 0; i < cores * PORTS; i++) work->buffers[i].flits = work->flits + i * room;
    return 1;
}

/* The network and the rows of a step whose flits are listed. */
static void walk_step(const Mesh *mesh, Work *work, int64_t step, Journal *journal)
{
    Counter *c = mesh->counter;
    for (int64_t i = 0; i < mesh->cores; i++) begin(c, &work->places[i].core);
    c->walked[step] = carry(mesh, work->places, work->buffers, work->moves, step, journal);
    for (int64_t i = 0; i < mesh->cores; i++)
        c->walked[(i + 1) * c->stride + step] = work->places[i].core.last;
}

int64_t sl_walk_mesh(Mesh *mesh, const Machine *m, int64_t steps)
{
    Counter *c = mesh->counter;
    uint64_t step = m->step - (uint64_t)steps;
    Recorded recorded;
    Work work;
    int64_t found = prepare(mesh, &work);
    Place *places = work.places;
    begin_recorded(m, &recorded);
    for (int64_t s = 0; found && s < steps; s++, step++) {
        for (int64_t i = 0; i < mesh->cores; i++)
            places[i].next = places[i].ends[0] = mesh->list_start[i];
        for (int64_t k = 0; k < c->before_count; k++)
            send(mesh, places, m->channels + c->before[k], 0);
        next_kind(mesh, places, 1);
        for (; c->host < m->hosts && m->host_step[c->host] == step; c->host++)
            send(mesh, places, m->host_channel[c->host], 1);
        next_kind(mesh, places, 2);
        if (take_channels(c, m, &recorded, s)) send_generators(mesh, places);
        walk_step(mesh, &work, s, NULL);
        take_neurons(c, m, &recorded, s);
    }
    release(&work);
    return found;
}

int64_t sl_carry(Mesh *mesh, Journal *journal, int64_t steps)
{
    Work work;
    int64_t found = prepare(mesh, &work);
    const int64_t *start = journal->start;
    for (int64_t s = 0; found && s < steps; s++) {
        for (int64_t i = 0; i < mesh->cores; i++, start += KINDS) {
            work.places[i].next = start[0];
            for (int kind = 0; kind < KINDS; kind++) work.places[i].ends[kind] = start[kind + 1];
        }
        walk_step(mesh, &work, s, journal);
    }
    release(&work);
    return found;
}
