/* How long spikes take over a mesh of cores, and their rows there: hdl/mesh_cycles.py's `walk_mesh`,
 * from the spikes that a call of the kernel has recorded. */

#include "walk.h"

#include <stdlib.h>

enum { PORTS = 5, ROOM = 2, KINDS = 3 };

/* The flits that wait at an input of a router; of the first one only the cores not yet served. */
typedef struct {
    uint64_t to[ROOM];
    int64_t number[ROOM];
    int count;
} Buffer;

/* A flit that moves at the end of a cycle. */
typedef struct {
    int32_t from, into; /* buffers; -1: from its sender, or into a core */
    uint64_t to;
    int64_t number;
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
            if (!buffer->count || !(buffer->to[0] & there)) continue;
            if (into < 0 || buffers[into].count < ROOM)
                moves[count++] = (Move){from, into, buffer->to[0] & there, buffer->number[0]};
            break;
        }
    }
    return count;
}

/* A router's core takes a spike: its rows are walked in the order of arrival. */
static void arrive(const Mesh *mesh, Place *place, int64_t core, int64_t number, int64_t cycle)
{
    int64_t axon = mesh->table[core] + number;
    walk_parts(mesh->counter, &place->core, mesh->first[axon], mesh->end[axon],
               cycle + mesh->arrived);
}

/* Let all that waits arrive. Returns the last cycle in which something does, 0 if nothing does. */
static int64_t carry(const Mesh *mesh, Place *places, Buffer *buffers, Move *moves, int64_t step)
{
    int64_t flits = 0, last = 0;
    for (int64_t cycle = 0;; cycle++) {
        int64_t next = INT64_MAX, count = 0;
        for (int64_t i = 0; i < mesh->cores; i++) {
            if (places[i].flits) count += choose(mesh, buffers, i, moves + count);
            if (places[i].next == places[i].ends[KINDS - 1]) continue;
            int64_t first = offered(mesh, places, i, step);
            next = first < next ? first : next;
            if (first > cycle || buffers[i * PORTS].count == ROOM) continue;
            uint32_t flit = mesh->list[places[i].next++];
            moves[count++] = (Move){-1, (int32_t)(i * PORTS), mesh->to[flit], mesh->number[flit]};
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
                buffer->to[0] &= ~move->to;
                if (!buffer->to[0]) {
                    buffer->to[0] = buffer->to[1];
                    buffer->number[0] = buffer->number[1];
                    buffer->count--;
                    places[move->from / PORTS].flits--;
                    flits--;
                }
            }
            if (move->into < 0) {
                int64_t core = move->from / PORTS;
                arrive(mesh, &places[core], core, move->number, cycle);
                last = cycle;
            }
        }
        for (int64_t k = 0; k < count; k++) {
            const Move *move = &moves[k];
            if (move->into < 0) continue;
            Buffer *buffer = &buffers[move->into];
            buffer->to[buffer->count] = move->to;
            buffer->number[buffer->count++] = move->number;
            places[move->into / PORTS].flits++;
            flits++;
        }
    }
}

int64_t sl_walk_mesh(Mesh *mesh, const Machine *m, int64_t steps)
{
    Counter *c = mesh->counter;
    size_t cores = (size_t)mesh->cores;
    Place *places = calloc(cores, sizeof *places);
    Buffer *buffers = calloc(cores * PORTS, sizeof *buffers);
    Move *moves = calloc(cores * (PORTS + 1), sizeof *moves);
    int64_t found = places && buffers && moves;
    uint64_t step = m->step - (uint64_t)steps;
    Recorded recorded;
    begin_recorded(m, &recorded);
    for (int64_t s = 0; found && s < steps; s++, step++) {
        for (size_t i = 0; i < cores; i++) {
            begin(c, &places[i].core);
            places[i].next = places[i].ends[0] = mesh->list_start[i];
        }
        for (int64_t k = 0; k < c->before_count; k++)
            send(mesh, places, m->channels + c->before[k], 0);
        next_kind(mesh, places, 1);
        for (; c->host < m->hosts && m->host_step[c->host] == step; c->host++)
            send(mesh, places, m->host_channel[c->host], 1);
        next_kind(mesh, places, 2);
        if (take_channels(c, m, &recorded, s)) send_generators(mesh, places);
        c->walked[s] = carry(mesh, places, buffers, moves, s);
        for (size_t i = 0; i < cores; i++)
            c->walked[(int64_t)(i + 1) * c->stride + s] = places[i].core.last;
        take_neurons(c, m, &recorded, s);
    }
    free(places);
    free(buffers);
    free(moves);
    return found;
}
