/* What network.c takes and gives: the structures that native.py repeats field by field.
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

/* A mesh of tiles, one router of each network in each, and the cores around them. */
typedef struct {
    int64_t rows, columns;  /* of tiles */
    int64_t cores, ports;   /* cores in all, and of one tile */
    int64_t networks;       /* parallel ones; a core's messages take turns */
    int64_t buffer;         /* messages that an input of a router holds */
    int64_t receive;        /* messages of each network that wait in front of a core */
    int64_t interval;       /* ticks between two messages over a link */
    int64_t inject, eject;  /* ticks from a core to its router's input, and from a router to a core */
    int64_t hop[4];         /* ticks from input to input: north, east, south, west */
    const int32_t *tile;    /* (cores,) */
    const int32_t *port;    /* (cores,) which of its tile's cores */
    const int32_t *core;    /* (tiles, ports), -1 where there is none */
} Mesh;

/* One message. */
typedef struct {
    int32_t target;     /* core */
    int32_t make, work; /* ticks that making takes, and its target */
    int32_t follow;     /* the next message of the same core; -1: none yet */
    int64_t made;       /* when it is ready; until then the tick before which it is not begun */
    int64_t sent;       /* when it left its core */
    int64_t arrived;    /* when it was in front of its target */
    int64_t done;       /* when the target was through with it */
} Message;

typedef struct {
    Message *message;
    int64_t *passed;    /* (networks, tiles, 4) messages over each link */
    int64_t *waited;    /* (networks, tiles, 4) ticks that they waited for it, in sum */
    int32_t *finished;  /* the messages that are done, in that order */
    int64_t finishes;   /* how many */
} Traffic;

typedef struct Net Net;

EXPORT Net *sl_chips_open(const Mesh *mesh);
EXPORT void sl_chips_close(Net *net);
EXPORT void sl_chips_feed(Net *net, Traffic *traffic, int64_t core, int64_t first,
                          int64_t last);
EXPORT int64_t sl_chips_advance(Net *net, Traffic *traffic, int64_t until);
EXPORT void sl_chips_steps(Net *net, Traffic *traffic, int64_t steps, const int64_t *first,
                           int64_t *end);
EXPORT int64_t sl_chips_size(int32_t which);
EXPORT int64_t sl_chips_source(void);

#endif
