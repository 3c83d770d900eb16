/* What the emulator's Python side and its C kernel share: structures, codes, entry points.
 *
 * native.py mirrors every structure here field by field; SL_ABI changes whenever one of them does.
 * Plain C: nothing of CPython, so that one build serves every Python version. */

#ifndef SPIKELOOM_KERNEL_H
#define SPIKELOOM_KERNEL_H

#include <stdint.h>

#define SL_ABI 6

#if defined(_WIN32)
#define SL_EXPORT __declspec(dllexport)
#elif defined(__GNUC__)
#define SL_EXPORT __attribute__((visibility("default")))
#else
#define SL_EXPORT
#endif

/* Parameters of a neuron as the update wants them: decays as factors 4096 - k, choices as masks
 * (0 or -1). SCALE = 1 << SHIFT; LIMIT = 1 << (30 - SHIFT) bounds what is shifted. */
enum {
    P_DECAY_U0, P_DECAY_U1, P_SHIFT, P_SCALE, P_LIMIT, P_SPIKING, P_DECAY_V, P_LEAK_STEP,
    P_SUBTRACT, P_DELAYED, P_V_RESET, P_REFRACTORY, P_HOLD, P_ADAPT_STEP, P_ADAPT_DECAY,
    P_COUNT
};

/* What the update of a segment must be able to do; each combination is compiled on its own. */
enum { F_TWO = 1, F_ADAPT = 2, F_FULL = 4, F_MIXED = 8, F_COUNT = 16 };

/* Neurons that follow each other on one core. Without F_MIXED they share `parameters`. */
typedef struct {
    int64_t first, count;
    int32_t core, features;
    int32_t parameters[P_COUNT];
    int32_t unused;
} Segment;

/* Poisson channels that follow each other, each with one synapse, onto neurons that follow each
 * other, all of one receptor and delay: no row is walked for them. */
typedef struct {
    int64_t channel, target, count;
    int32_t receptor, delay;
    int32_t uniform, recorded; /* uniform: all have the probability and value of the first */
} Drive;

/* One recorded variable. Entries start[thread] .. start[thread + 1] are the thread's own. */
typedef struct {
    const int64_t *neuron, *column, *start;
    int32_t *out;
    int64_t width;
    int64_t variable; /* 0 v, 1 u0, 2 u1, 3 threshold */
} Trace;

/* Synapses of one source and lane: where they begin in the lane's stream, in chunks of CHUNK words,
 * and head = kind << 29 | exponent << 25 | receptor << 24 | delay << 18 | count. */
typedef struct {
    uint32_t at, head;
} Block;

/* -- learning (docs/machine.md §7); codes are those of compiler/microcode.py -- */

enum { PRE, POST, EPOCH, WHENS };
enum { WEIGHT, TAG, DELAY, CHANGES };
enum { STOCHASTIC, NEAREST, FLOOR };
enum { X0 = 1, Y0 = 2, T0 = 4 };
enum { T_NONE, T_EXPONENTIAL, T_WINDOW };
/* V_EVENT is what the condition X0 multiplies products of a post group by. */
enum {
    V_X1, V_X2, V_Y1, V_Y2, V_R, V_M, V_W, V_ABOVE, V_BELOW, V_TAG, V_DELAY, V_EVENT,
    V_SIGN = 16, V_CODES = 32
};
enum { MOST_FACTORS = 3, MOST_AGES = 32 };

/* How a trace takes up events; keep = 4096 - decay. */
typedef struct {
    int32_t kind, replace, impulse, keep, ages, table[MOST_AGES], unused;
} Fading;

typedef struct {
    int32_t coefficient, condition, factors, factor[MOST_FACTORS];
} Product;

/* Products first .. first + count of the rule. */
typedef struct {
    int32_t changes, shift, first, count;
} Group;

/* Plastic synapses of one core and kind, where the Program has them; learning writes here. */
typedef struct {
    void *weight;
    int8_t *tag;
    uint8_t *delay; /* of sparse synapses, else null */
    const uint8_t *enable;
    int64_t bytes; /* per weight */
} Memory;

/* The synapses of a plastic row group whose targets are a lane's. They lie in the memory one after
 * the other from `offset` on, or, where some of a sparse row are another lane's, at `place`.
 * *Positions* number the postsynaptic neurons of a rule in the order of their global numbers. */
typedef struct {
    const int64_t *place;
    const int32_t *position, *target; /* of sparse synapses; those of dense ones follow the firsts */
    int64_t offset, count, memory;
    int32_t first_position, first_target, pre, receptor, exponent, delay, all_enabled, unused;
} Part;

/* Dense rows of one rule and core with the same targets: what a column walks. */
typedef struct {
    const int64_t *offset; /* (rows,) where each begins in the memory */
    const int32_t *pre;    /* (rows,) */
    int64_t rows, first_position, memory, all_enabled;
    int64_t complete; /* row k is that of presynaptic neuron k, for all of them */
} Rectangle;

/* One rule and its projection; arrays by position but for those of presynaptic neurons. */
typedef struct {
    const Group *group;
    const Product *product;
    int64_t first_group[WHENS + 1];
    int64_t needs[WHENS]; /* bit f: a product of the groups reads factor f, or its sign */
    int64_t skips;        /* post groups add 0 where x1 and x2 are 0 and no spike arrives */
    int64_t rounding, low[CHANGES], high[CHANGES], post_delay, period, trace_max;
    int64_t pre_size, first_channel; /* -1: the presynaptic neurons are a population */
    Fading x_fading[2], y_fading[2];
    uint32_t salt[WHENS][CHANGES][2]; /* mix(seed + purpose * golden) of the roundings' a and b */
    const int32_t *pre_of, *position_of; /* (neurons,) number or position, -1 for others */
    const int32_t *key;                  /* number within the population */
    const uint32_t *x_hash[2], *y_hash[2];
    uint32_t *y_stored[2];
    int32_t *y[2], *third_factor, *event; /* event: Y0, T0 of this step */
    uint64_t *fired_before;
    const int64_t *first_part; /* (pre_size + 1,) parts of a presynaptic neuron, in `parts` */
    const int32_t *parts;
    const int64_t *first_place; /* enabled sparse synapses onto a position: */
    const int64_t *place;       /* where in the memory, */
    const int32_t *pre;         /* and from whom */
    const int32_t *sparse_memory;
    const int64_t *first_rectangle; /* rectangles that hold a position, in `rectangles` */
    const int32_t *rectangles;
    const Rectangle *rectangle;
} Rule;

/* What a lane has of a rule: its positions, and its own copy of the presynaptic traces. */
typedef struct {
    int64_t position, position_end;
    uint32_t *x_stored[2];
    int32_t *x[2], *x_event, *x_live; /* x_event and x_live: 0 or 1 */
    int32_t *x_list, *y_list;         /* whose groups are due in this step */
    int32_t *live_list;               /* those of x_live, where there are columns to walk */
    int64_t x_count, y_count, live_count, unused[2];
} LaneRule;

/* What belongs to one thread: targets first .. last, and the generators it draws for. */
typedef struct {
    int64_t first, last;
    const uint32_t *stream;
    const Block *row; /* (sources,) all synapses of a source: a block, or a list of blocks */
    int64_t lines;    /* cache lines to ask for ahead of a row's turn */
    int64_t segment, segment_end, drive, drive_end;
    int64_t poisson, poisson_end, periodic, periodic_end;
    int64_t *saturations; /* (cores, 3) */
    uint32_t *recorded_neurons, *recorded_channels;
    int64_t neurons_used, channels_used;   /* entries in the buffers */
    int64_t neuron_limit, channel_limit;   /* beyond these, one more step may not fit */
    int64_t records_neurons, records_channels;
    uint32_t *neurons_per_step, *channels_per_step;
    int64_t spikes, events, generated_room;
    int32_t *generated; /* two lists of generated_room channels: this step's and the next */
    int64_t fired_count[2], generated_count[2];
    const Part *parts; /* (plastic row groups,) */
    LaneRule *rules;
    int64_t modulator;
    int64_t pad[8]; /* neighbours must not share a cache line */
} Lane;

/* The whole machine. Sources are channels, then neurons; arrays over neurons have `neurons`. */
typedef struct {
    int64_t neurons, stride, channels, cores;
    uint64_t step;
    int64_t threads, receptors, slots, parity, instructions;
    int64_t state_low, state_high;
    int32_t *u0, *u1, *v, *adapt, *refractory, *pending;
    uint8_t *saturated;
    const int32_t *theta;
    int32_t *bias;
    const uint32_t *adapt_key;
    const int32_t *mixed; /* (P_COUNT, neurons), or null without F_MIXED */
    uint32_t *wheel;      /* (slots, receptors, stride) */
    const int64_t *events; /* (sources,) synapses that a spike of each adds */
    int32_t *fired;        /* (2, neurons): a lane's list starts at its first neuron */
    const Segment *segments;
    const Drive *drives;
    const uint32_t *drive_key, *drive_probability; /* by channel */
    const int32_t *drive_value;
    const uint32_t *poisson_key, *poisson_probability;
    const int32_t *poisson_channel, *periodic_channel;
    const uint64_t *periodic_phase, *periodic_period;
    uint64_t *periodic_next;
    const uint8_t *neuron_mask, *channel_mask;
    const uint64_t *host_step, *graded_step; /* absolute steps, ascending */
    const int32_t *host_channel, *graded_neuron, *graded_value;
    int64_t hosts, gradeds;
    const Trace *traces;
    int64_t trace_count;
    const Rule *rules;
    const Memory *memories; /* sparse, then dense, per core */
    int64_t rule_count, learning, modulator;
    const uint64_t *teacher_step, *factor_step, *modulator_step; /* absolute, ascending */
    const int32_t *teacher_neuron, *factor_neuron, *factor_value, *modulator_value;
    int64_t teachers, factors, modulators;
    Lane *lanes;
} Machine;

/* What the generated hardware has to do for each source (hdl/cycles.py), and where counting stands.
 * A source has a part for every lane that takes part in one of its rows, row after row. */
typedef struct {
    int64_t lanes, queue, pass, channels;
    int64_t prepare, after_rows, after_plastic, written; /* as in hdl/cycles.py */
    const int64_t *start;   /* (sources + 1,) first part of each source */
    const uint8_t *part;    /* its lane, and whether it is the last one of its row; or PLASTIC */
    const int32_t *cost;    /* cycles that the lane takes; of a plastic row with those of its
                             * preparation from bit MADE on */
    const uint64_t *driven; /* a bit per channel: whether a generator drives it */
    uint64_t *set;          /* a bit per channel, all clear between steps */
    uint32_t *before;       /* neurons that fired in the last step */
    int64_t before_count, host, stride;
    const int64_t *earliest; /* (3, stride) first cycles for neurons, host, generators, by step */
    int64_t *walked;         /* (stride,) when the last lane is through, 0 without any spike */
} Counter;

/* The network between cores (hdl/mesh_cycles.py). Of `counter`, `start` is not used; `earliest` is
 * (2 + cores, stride) with generators core by core, `walked` (1 + cores, stride): the last arrival,
 * then when each core's last lane is through. Buffers are numbered core * 5 + port. */
typedef struct {
    Counter *counter;
    int64_t cores, offered, arrived, room;
    const uint64_t *region;    /* (cores, 5) cores that are reached by an output, none: it is not */
    const int32_t *into;       /* (cores, 5) the buffer that an output leads to, -1: the core */
    const int32_t *priority;   /* (5, 5) the inputs that an output takes, -1 after the last */
    const int64_t *home;       /* (senders,) */
    const int64_t *start;      /* (senders + 1,) first flit of each */
    const uint64_t *to;        /* of each flit a bit per core */
    const int64_t *number;     /* of each flit the number of its axon */
    const int64_t *table;      /* (cores,) where each core's axon numbers begin */
    const int64_t *first, *end; /* parts of each axon number */
    const int64_t *list_start; /* (cores,) where each core's flits are listed */
    uint32_t *list;            /* with room for all of them */
} Mesh;

/* The flits of some steps, which are in `list` in the order of hdl/flits.py's SentFlits, and what
 * became of them: its FlitTimes. `earliest` and `walked` of the mesh's counter are for these steps. */
typedef struct {
    const int64_t *start; /* (steps * cores * 3 + 1,) where those of each step, core, kind begin */
    const int64_t *first; /* (flits + 1,) where the arrivals of each begin */
    int64_t *taken;       /* (flits,) */
    int64_t *arrived, *done;  /* (arrivals,) */
    int64_t *passed, *waited; /* (cores, 5) counted on */
} Journal;
enum { LANE = 127, PLASTIC = 64, LAST_PART = 128, MADE = 28 };

/* Layout of spikeloom's ROW dtype (compiler/program.py), byte by byte. */
enum { ROW_BYTES = 28 };

/* Synapse memory of one core as the Program has it. */
typedef struct {
    const int32_t *axon_start;
    const uint8_t *rows;
    const uint16_t *sparse_target;
    const void *sparse_weight;
    const uint8_t *sparse_delay;
    const void *dense_weight;
    const int32_t *plastic; /* (rows,) number of a plastic row group's part, -1: it is static */
    int64_t first_neuron, sparse_bytes, dense_bytes; /* bytes per weight: 1 or 2 */
} CoreMemory;

/* Everything needed to lay all rows out as streams. */
typedef struct {
    int64_t sources, threads;
    const int64_t *range;       /* (threads + 1,) first target of each thread */
    const uint8_t *thread_of;   /* (neurons,) */
    const CoreMemory *cores;
    const int64_t *destination_start; /* (sources + 1,) */
    const uint16_t *destination_core;
    const int32_t *destination_axon;
    Block **row;        /* per thread (sources,) */
    uint32_t **stream;  /* per thread; null while measuring */
    int64_t *words;     /* (threads,) lengths of the streams */
    int64_t *events;    /* (sources,) */
    int32_t *single;    /* (sources, 3): target, value, delay * 2 + receptor of an only synapse */
} Layout;

/* Kinds of blocks. Each begins with a chunk of its own; the rest of its last chunk is filled up, in
 * the first two kinds with synapses of weight 0, so that they can be added by whole chunks. */
enum {
    K_NARROW,  /* words target << 8 | int8 weight */
    K_SPREAD,  /* words delay << 26 | (target - first of thread) << 8 | int8 weight */
    K_ONE,     /* one narrow synapse: its word stands in the place of `at` */
    K_MIDDLE,  /* a word target & ~0xffff, then words (target & 0xffff) << 16 | int16 weight */
    K_DENSE8,  /* a word first target, then int8 weights, four to a word */
    K_DENSE16, /* a word first target, then int16 weights, two to a word */
    K_LIST,    /* blocks of other kinds, two words each; `count` has 29 bits */
    K_PLASTIC  /* the lane's part whose number stands in the place of `at` */
};
enum { CHUNK = 8 };
#define MAX_COUNT ((1u << 18) - 1)
#define MAX_LIST ((1u << 29) - 1)
#define SPREAD_TARGETS (1 << 18)

SL_EXPORT int64_t sl_abi(void);
SL_EXPORT int64_t sl_source(void);        /* checksum of the sources it was built from */
SL_EXPORT int64_t sl_size(int32_t which); /* sizeof Machine, Lane, Segment, Drive, Trace, … */
SL_EXPORT int64_t sl_threads(void);       /* 1 where there are no POSIX threads */
SL_EXPORT int64_t sl_instructions(void);  /* best this processor has: 0 portable, 1 AVX2, 2 AVX-512 */
SL_EXPORT int64_t sl_layout(const Layout *layout); /* 0, or -1: out of memory */
SL_EXPORT int64_t sl_run(Machine *machine, int64_t steps); /* steps done, or -1: no thread */
/* The steps that were just done, all of whose spikes were recorded. */
SL_EXPORT void sl_walk(Counter *counter, const Machine *machine, int64_t steps);
/* 0 where there is no memory for it, else 1. */
SL_EXPORT int64_t sl_walk_mesh(Mesh *mesh, const Machine *machine, int64_t steps);
SL_EXPORT int64_t sl_carry(Mesh *mesh, Journal *journal, int64_t steps); /* likewise */
SL_EXPORT void sl_mix(uint32_t *words, int64_t count);
SL_EXPORT void sl_decay(int32_t *values, int64_t count, int32_t k);

#endif
