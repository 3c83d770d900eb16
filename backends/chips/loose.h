/* The loosely timed mesh: what loose_flow.c moves and loose.c sets up. */

#ifndef SPIKELOOM_CHIPS_LOOSE_H
#define SPIKELOOM_CHIPS_LOOSE_H

#include "network.h"

#if defined(__GNUC__)
#define INLINE static inline __attribute__((always_inline))
#else
#define INLINE static inline
#endif

enum { SIDES = 4, NOBODY = -1, LINE = 64 };
enum { DOOR = 1 };              /* a bit of the number of a door */
enum { LINKS, CORES, KINDS };   /* what feeds an input */
enum { AHEAD = 3 };             /* entries of a list between one that is visited and one fetched */

#define LATEST ((int32_t)1 << 29)   /* tick of a span, or of a packet that is made */

/* A packet in a buffer, and, when it has left, the tick from which on its place is free. */
typedef struct {
    int32_t when;
    uint32_t word;          /* where it goes: a core, and ticks of work above; in a tree a node */
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
    int32_t inputs, ways, plane, cores, networks;
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

INLINE Input *at_input(const Loose *n, uint32_t k) { return (Input *)(n->input + k); }

INLINE Door *at_door(const Loose *n, uint32_t k) { return (Door *)(n->input + k - DOOR); }

/* One step, from the first packets that the cores make to the last one that gets there. */
void sl_chips_rounds(Loose *n);

#endif
