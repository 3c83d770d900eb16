/* What the kernel takes and gives: the structures that native.py repeats field by field.
 *
 * Times are whole ticks. Tiles and cores are numbered row by row. */

#ifndef SPIKELOOM_CHIPS_NETWORK_H
#define SPIKELOOM_CHIPS_NETWORK_H

#include <stdint.h>

#if defined(_WIN32)
#define EXPORT __declspec(dllexport)
#else
#define EXPORT __attribute__((visibility("default")))
#endif

static inline int64_t later(int64_t a, int64_t b) { return a > b ? a : b; }

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

/* The outputs that a node of a tree takes. */
static inline uint64_t outputs_of(const uint32_t *node)
{
    return node[0] | (uint64_t)node[1] << 32;
}

/* A mesh of tiles, one router of each network in each, and the cores around them. */
typedef struct {
    int64_t rows, columns;  /* of tiles */
    int64_t cores, ports;   /* cores in all, and of one tile */
    int64_t networks;       /* parallel ones; a core's packets take turns */
    int64_t buffer;         /* packets that an input of a router holds */
    int64_t receive;        /* packets of each network that wait in front of a core */
    int64_t interval;       /* ticks between two packets over a link */
    int64_t inject, eject;  /* ticks from a core to its router's input, and from a router to a core */
    int64_t hop[4];         /* ticks from input to input: north, east, south, west */
    int64_t fixed;          /* inputs have a fixed order at each output; 0: they take turns */
    const int32_t *tile;    /* (cores,) */
    const int32_t *port;    /* (cores,) which of its tile's cores */
    const int32_t *core;    /* (tiles, ports), -1 where there is none */
} Mesh;

/* One spike: packets that a core makes one after the other. */
typedef struct {
    int64_t begin;          /* the tick before which the first one is not begun */
    int32_t first, count;   /* its packets in Traffic's tables */
    int32_t lead, rest;     /* ticks that making takes: the first one, each other one */
    int32_t number;         /* of its first packet, in Traffic's results */
    int32_t follow;         /* the next spike of the same core; -1: none yet */
} Spike;

/* Packets are unicast where there is no `tree`: then `target` is a core, and `work` the ticks that
 * it takes. Multicast packets follow trees: `target` is the place in `tree` of the node at which a
 * packet begins. A node is two words with a bit for each output of its router that it takes, the
 * lower ones first, and for each of them, in that order, a word: the place of the next node, or, at
 * a core, a place in `work`. Results are numbered by packet, or by place in `work` from a spike's
 * number on, where there are trees. */
typedef struct {
    const int32_t *target;
    const int32_t *work;
    const uint32_t *tree;
    Spike *spike;
    int64_t *made;      /* when a packet is ready; these four may be absent */
    int64_t *sent;      /* when it left its core */
    int64_t *arrived;   /* when it was in front of its target */
    int64_t *done;      /* when the target was through with it */
    int64_t stride;     /* entries between two of these */
    int64_t *passed;    /* (networks, tiles, 4) packets over each link */
    int64_t *waited;    /* (networks, tiles, 4) ticks that they waited for it, in sum */
    int32_t *finished;  /* what is done, in that order; may be absent */
    int64_t finishes;   /* how many */
} Traffic;

typedef struct Net Net;

EXPORT Net *sl_chips_open(const Mesh *mesh);
EXPORT void sl_chips_close(Net *net);
EXPORT void sl_chips_feed(Net *net, Traffic *traffic, int64_t core, int64_t first,
                          int64_t last);
EXPORT int64_t sl_chips_advance(Net *net, Traffic *traffic, int64_t until);
EXPORT void sl_chips_steps(Net *net, Traffic *traffic, int64_t steps, const int64_t *first,
                           int64_t *end, int64_t *sent);
EXPORT int64_t sl_chips_loose(const Mesh *mesh, Traffic *traffic, int64_t shift, int64_t steps,
                              const int64_t *first, int64_t *end, int64_t *sent);
EXPORT int64_t sl_chips_size(int32_t which);
EXPORT int64_t sl_chips_source(void);

#endif
