/* The mesh at work: what flow.c moves and network.c sets up. */

#ifndef SPIKELOOM_CHIPS_NET_H
#define SPIKELOOM_CHIPS_NET_H

#include "network.h"

enum { SIDES = 4, NOBODY = -1, SLOTS = 2048, WORDS = SLOTS / 64, NODE = 2 };

/* A packet in a buffer. */
typedef struct {
    int64_t when;           /* the tick from which on it is there */
    uint32_t place;         /* the core that it goes to */
    uint32_t load;          /* ticks of work; in a tree its node, or a place in `work` */
    uint32_t number;        /* in the results */
} Held;

/* An input of a router; 64 bytes, with its first packet. That one asks when it is there and the one
 * before is gone. One packet leaves after the other, so that at most one that has left still takes
 * a place: the last one, until `free_at`. */
typedef struct {
    Held first;
    int64_t since;          /* when the first packet asked */
    int64_t free_at;        /* when the last packet is gone */
    uint64_t pending;       /* outputs that the first packet still wants, in a tree */
    int32_t feeder;         /* output that leads here, or core */
    int16_t count, head;    /* packets, and where the second one is */
    int32_t ways;           /* of its tile in the table */
    uint8_t bit, local;     /* local: a core feeds it */
    uint8_t blocked;        /* the feeder waits for a place */
} Input;

/* An output of a router: a link to another one, or to a core; padded to 64 bytes. */
typedef struct {
    uint64_t wanted;        /* inputs that ask for it */
    int64_t free_at;
    int64_t waited;
    int32_t passed;
    int32_t target;         /* input, or core and network */
    int32_t base;           /* input 0 of its router */
    int32_t room;           /* in front of a core */
    int32_t hop;            /* ticks to what is behind it */
    uint8_t turn;           /* the first input whose turn it is */
    uint8_t ready, waking, side;
    uint8_t unused[12];
} Output;

typedef struct {
    int64_t sent;           /* when its last packet left, which may be later than now */
    int64_t made;           /* when the one that it makes is ready */
    int64_t free;           /* when it is through with the packet that it works on */
    int32_t spike;          /* that it makes */
    int32_t next, last;     /* the one after it, and the last one that it has */
    int32_t packet, left;   /* of the spike: in Traffic's tables, and how many after it */
    int32_t rest;           /* ticks that each of these takes */
    int32_t number;         /* of the packet in the results */
    int32_t input;          /* of its router in network 0 */
    uint32_t works_on;      /* number in the results */
    uint8_t sends, turn;    /* network of the next packet it sends, and of the next it takes */
    uint8_t busy, working;  /* making a packet; working on one, as far as was looked */
} Core;

/* Packets in front of a core, of one network. */
typedef struct {
    int64_t when;           /* when the first one is there */
    int32_t first, count;
} Queue;

/* An event that falls due later than the wheel turns. */
typedef struct {
    int64_t when;
    int32_t what;
} Far;

/* Events have the number of what they concern: inputs that ask, then outputs that are tried again.
 * Each has one at most. */
struct Net {
    Mesh m;
    void *memory;
    Traffic *t;
    int64_t now, end, alive;        /* end: when the last packet was done; alive: events */
    int32_t inputs, ways, plane;    /* inputs of a router, of all, and of one network */
    int32_t cores, networks, buffer, receive;
    Input *input;
    Output *output;
    uint8_t *way;                   /* (tiles, cores) the output by which a packet leaves */
    Core *core;
    Held *held;                     /* (ways, buffer) all but the first packet of each input */
    Held *received;                 /* (cores, networks, receive) */
    Queue *queue;                   /* (cores, networks) */
    int32_t *ready;                 /* outputs to look at in this tick */
    int32_t *next;                  /* events of the same tick */
    Far *far;
    int32_t readies, fars;
    int32_t slot[SLOTS];
    uint64_t used[WORDS];
};

void sl_chips_run(Net *net, int64_t until);
void sl_chips_settle(Net *net, int64_t until);
void sl_chips_begin(Net *net, int32_t core);

#endif
