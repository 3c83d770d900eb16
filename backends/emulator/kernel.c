/* The emulator's kernel: many steps of the whole machine in one call (docs/machine.md).
 *
 * A step is: walk the rows of all spikes that are due, draw the generators, update the neurons.
 * Nothing depends on order, so each thread (a lane) owns a range of target neurons, walks every
 * spike through its own stream of synapses, and only the lists of spikes are shared; there is one
 * barrier per step. Signed shifts to the right are arithmetic, as GCC, Clang and MSVC define them.
 *
 * Clock cycles are counted apart from it (cycles.c), from the spikes that were recorded. */

#include "common.h"
#include "learn.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#if defined(__GNUC__) && !defined(_WIN32)
#define THREADS 1
#include <pthread.h>
#include <sched.h>
#include <time.h>
#else
#define THREADS 0
#endif

/* Dense rows lie in a stream of 32-bit words. */
#if defined(__GNUC__)
typedef int16_t __attribute__((may_alias)) half;
#else
typedef int16_t half;
#endif

enum { BLOCK = 256 };
enum { W_FIRE = 1, W_U0 = 2, W_U1 = 4, W_V = 8, W_RESET = 16, W_THRESHOLD = 32 };
enum { S_U, S_V, S_THRESHOLD, S_KINDS };
enum { POISSON_SOURCE = 1, THRESHOLD_DECAY = 2 };

/* x * factor / 4096 toward zero, |x| <= 2^24, factor <= 4096: in two halves, so that 32 bits do. */
INLINE int32_t decay(int32_t x, int32_t factor)
{
    int32_t rest = (x & 4095) * factor + ((x >> 31) & 4095);
    return (x >> 12) * factor + (rest >> 12);
}

INLINE int32_t toward_zero(int32_t x, int32_t by)
{
    int32_t sign = x >> 31, size = ((x ^ sign) - sign) - by;
    size = size < 0 ? 0 : size;
    return (size ^ sign) - sign;
}

/* The slot of the wheel for the step `delay` steps from now. */
INLINE uint32_t *accumulators(const Machine *m, int32_t delay)
{
    uint64_t slot = (m->step + (uint64_t)delay) & (uint64_t)(m->slots - 1);
    return m->wheel + (int64_t)slot * m->receptors * m->stride;
}

/* Clipped numbers of one neuron: rare, so they are looked at one by one. */
static void note_saturation(const Machine *m, Lane *lane, int32_t core, int64_t neuron, int32_t w)
{
    int64_t *count = lane->saturations + (int64_t)core * S_KINDS;
    int u = !!(w & W_U0) + !!(w & W_U1), v = !!(w & W_V) + !!(w & W_RESET);
    count[S_U] += u;
    count[S_V] += v;
    count[S_THRESHOLD] += !!(w & W_THRESHOLD);
    m->saturated[neuron] |= (uint8_t)(!!u << S_U | !!v << S_V | !!(w & W_THRESHOLD) << S_THRESHOLD);
}

INLINE void note_block(const Machine *m, Lane *lane, int32_t core, int64_t first, int n,
                       const int32_t *word, int32_t *fired)
{
    int64_t count = lane->spikes;
    for (int i = 0; i < n; i += 8) {
        int end = n - i < 8 ? n : i + 8;
        if (n - i >= 8) {
            uint64_t some[4];
            memcpy(some, word + i, sizeof some);
            if (!(some[0] | some[1] | some[2] | some[3])) continue;
        }
        for (int k = i; k < end; k++) {
            if (!word[k]) continue;
            if (word[k] & W_FIRE) fired[count++] = (int32_t)(first + k);
            if (word[k] & ~W_FIRE) note_saturation(m, lane, core, first + k, word[k]);
        }
    }
    lane->spikes = count;
}

static void note_channels(const Machine *m, Lane *lane, int32_t first, int n, const int32_t *hit)
{
    int64_t used = lane->channels_used;
    for (int i = 0; i < n; i++) { /* which ones fire is random: no branch can be foreseen */
        lane->recorded_channels[used] = (uint32_t)(first + i);
        used -= hit[i] & -(m->channel_mask[first + i] != 0);
    }
    lane->channels_used = used;
}

#define NAME(x) x##_portable
#define TARGET
#include "kernel_neuron.h"
#undef NAME
#undef TARGET

#if HAVE_AVX
#define NAME(x) x##_avx2
#define TARGET __attribute__((target("avx2")))
#include "kernel_neuron.h"
#undef NAME
#undef TARGET
#define NAME(x) x##_avx512
#define TARGET __attribute__((target(AVX512_TARGET)))
#include "kernel_neuron.h"
#undef NAME
#undef TARGET
#endif

/* What a lane's walk through the rows of a step needs. */
typedef struct {
    const Machine *machine;
    const Lane *lane;
    uint32_t *landing[128]; /* accumulators by receptor << 6 | delay */
} Walk;

static void begin_walk(Walk *walk, const Machine *m, const Lane *lane)
{
    walk->machine = m;
    walk->lane = lane;
    for (int64_t receptor = 0; receptor < m->receptors; receptor++)
        for (int32_t delay = 0; delay < m->slots && delay < 64; delay++)
            walk->landing[receptor << 6 | delay] = accumulators(m, delay) + receptor * m->stride;
}

INLINE const uint32_t *words_at(const Lane *lane, uint32_t at)
{
    return lane->stream + (uint64_t)at * CHUNK;
}

/* Whole chunks; of every half of one, all loads before the first store. */
INLINE void add_narrow(uint32_t *restrict acc, const uint32_t *w, uint32_t count, int32_t factor)
{
    for (uint32_t k = 0; k < count; k += CHUNK)
        for (const uint32_t *p = w + k; p < w + k + CHUNK; p += 4) {
            uint32_t a = p[0], b = p[1], c = p[2], d = p[3];
            acc[a >> 8] += (uint32_t)((int8_t)a * factor);
            acc[b >> 8] += (uint32_t)((int8_t)b * factor);
            acc[c >> 8] += (uint32_t)((int8_t)c * factor);
            acc[d >> 8] += (uint32_t)((int8_t)d * factor);
        }
}

static void add_spread(uint32_t *const *landing, int64_t first, const uint32_t *w, uint32_t count,
                       int32_t factor)
{
    for (uint32_t k = 0; k < count; k++)
        landing[w[k] >> 26][first + (int64_t)(w[k] >> 8 & 0x3ffff)] +=
            (uint32_t)((int8_t)w[k] * factor);
}

/* Synapses of which each has a place, a target and a delay of its own. */
static void add_sparse(Walk *walk, const Part *part, const Memory *memory, int32_t factor)
{
    uint32_t *const *landing = walk->landing + (part->receptor << 6);
    for (int64_t k = 0; k < part->count; k++) {
        int64_t at = part->place ? part->place[k] : part->offset + k;
        int32_t w = memory->bytes == 1 ? ((const int8_t *)memory->weight)[at]
                                       : ((const int16_t *)memory->weight)[at];
        landing[memory->delay[at]][part->target[k]] += (uint32_t)(w * factor);
    }
}

static void add_plastic(Walk *walk, const Part *part)
{
    const Machine *m = walk->machine;
    const Memory *memory = m->memories + part->memory;
    int32_t factor = (int32_t)(1u << part->exponent);
    if (part->target) {
        add_sparse(walk, part, memory, factor);
        return;
    }
    uint32_t *acc = walk->landing[part->receptor << 6 | part->delay] + part->first_target;
    if (memory->bytes == 1) {
        const int8_t *w = (const int8_t *)memory->weight + part->offset;
        CALL(m, dense8, acc, w, (int)part->count, factor);
    } else {
        const half *w = (const half *)memory->weight + part->offset;
        CALL(m, dense16, acc, w, (int)part->count, factor);
    }
}

static void take_block(Walk *walk, Block block)
{
    const Machine *m = walk->machine;
    const uint32_t *p = words_at(walk->lane, block.at);
    uint32_t *acc = walk->landing[block.head >> 18 & 127], count = block.head & MAX_COUNT;
    int32_t factor = (int32_t)(1u << (block.head >> 25 & 15));
    switch (block.head >> 29) {
    case K_NARROW:
        if (factor == 1) add_narrow(acc, p, count, 1);
        else add_narrow(acc, p, count, factor);
        break;
    case K_SPREAD:
        add_spread(walk->landing + (block.head >> 18 & 64), walk->lane->first, p, count, factor);
        break;
    case K_ONE: acc[block.at >> 8] += (uint32_t)((int8_t)block.at * factor); break;
    case K_MIDDLE:
        acc += *p++;
        for (uint32_t k = 0; k < count; k++)
            acc[p[k] >> 16] += (uint32_t)((int16_t)p[k] * factor);
        break;
    case K_DENSE8: CALL(m, dense8, acc + *p, (const int8_t *)(p + 1), (int)count, factor); break;
    case K_DENSE16: CALL(m, dense16, acc + *p, (const half *)(p + 1), (int)count, factor); break;
    case K_PLASTIC: add_plastic(walk, walk->lane->parts + block.at); break;
    default: /* K_LIST, which holds no other list */
        for (uint32_t b = 0; b < (block.head & MAX_LIST); b++)
            take_block(walk, (Block){p[2 * b], p[2 * b + 1]});
    }
}

enum { AHEAD = 6, AHEAD_ROWS = 24 };

static void walk_list(Walk *walk, const int32_t *list, int64_t count, int64_t offset)
{
    const Lane *lane = walk->lane;
    const Block *row = lane->row + offset;
    for (int64_t k = 0; k < count; k++) {
        if (lane->lines && k + AHEAD < count) { /* rows are far apart in memory: ask early */
            Block next = row[list[k + AHEAD]];
            if (next.head >> 29 != K_ONE && next.head >> 29 != K_PLASTIC) {
                const char *p = (const char *)words_at(lane, next.at);
                for (int64_t line = 0; line < lane->lines; line++) PREFETCH(p + 64 * line);
            }
            if (k + AHEAD_ROWS < count) PREFETCH(row + list[k + AHEAD_ROWS]);
        }
        take_block(walk, row[list[k]]);
    }
}

static int64_t total_events(const Machine *m, const int32_t *list, int64_t count, int64_t offset)
{
    int64_t total = 0;
    for (int64_t k = 0; k < count; k++) total += m->events[list[k] + offset];
    return total;
}

/* Append the numbers that are recorded to a buffer; returns how many it holds then. */
static int64_t keep(uint32_t *buffer, int64_t used, const uint8_t *mask, const int32_t *list,
                    int64_t count)
{
    for (int64_t k = 0; k < count; k++)
        if (mask[list[k]]) buffer[used++] = (uint32_t)list[k];
    return used;
}

static void generate_lane(const Machine *m, Lane *lane, uint64_t step, int which)
{
    int32_t *list = lane->generated + which * lane->generated_room;
    int64_t count = CALL(m, generate, m, lane, mix((uint32_t)step + STEP_OFFSET), list);
    for (int64_t k = lane->periodic; k < lane->periodic_end; k++)
        if (m->periodic_next[k] == step) {
            list[count++] = m->periodic_channel[k];
            m->periodic_next[k] += m->periodic_period[k];
        }
    lane->generated_count[which] = count;
}

/* The first step, not before `step`, in which each periodic channel fires. */
static void rewind_periodic(const Machine *m, const Lane *lane, uint64_t step)
{
    for (int64_t k = lane->periodic; k < lane->periodic_end; k++) {
        uint64_t phase = m->periodic_phase[k], period = m->periodic_period[k];
        uint64_t late = step > phase ? (step - phase) % period : 0;
        m->periodic_next[k] = step <= phase ? phase : late ? step - late + period : step;
    }
}

static void record_states(const Machine *m, int64_t id, int64_t done)
{
    for (int64_t k = 0; k < m->trace_count; k++) {
        const Trace *trace = m->traces + k;
        const int32_t *from = trace->variable == 1 ? m->u0 : trace->variable == 2 ? m->u1 : m->v;
        int32_t *out = trace->out + done * trace->width;
        for (int64_t e = trace->start[id]; e < trace->start[id + 1]; e++) {
            int64_t neuron = trace->neuron[e];
            out[trace->column[e]] =
                trace->variable == 3 ? m->theta[neuron] + m->adapt[neuron] : from[neuron];
        }
    }
}

/* A lane's places in the lists of host spikes and graded values. */
typedef struct {
    int64_t host, graded;
    LearningCursor learning;
} Cursor;

/* One step of one lane. `now` and `next` are the halves of the lists of spikes; `more` says
 * whether another step may follow in this call. */
static void step_lane(Machine *view, int64_t id, Cursor *at, int64_t done, int now, int more)
{
    const Machine *m = view;
    Lane *lane = m->lanes + id;
    const int next = now ^ 1;
    Walk walk;
    begin_walk(&walk, m, lane);

    int64_t first_host = at->host, first_graded = at->graded;
    while (at->host < m->hosts && m->host_step[at->host] == m->step) at->host++;
    const int32_t *hosts = m->host_channel + first_host;
    int64_t host_count = at->host - first_host;
    walk_list(&walk, hosts, host_count, 0);
    for (int64_t j = 0; j < m->threads; j++) {
        const Lane *other = m->lanes + j;
        const int32_t *fired = m->fired + now * m->neurons + other->first;
        walk_list(&walk, fired, other->fired_count[now], m->channels);
        walk_list(&walk, other->generated + now * other->generated_room,
                  other->generated_count[now], 0);
    }
    const int32_t *own = m->fired + now * m->neurons + lane->first;
    const int32_t *generated = lane->generated + now * lane->generated_room;
    lane->events += total_events(m, own, lane->fired_count[now], m->channels);
    lane->events += total_events(m, generated, lane->generated_count[now], 0);
    if (id == 0) lane->events += total_events(m, hosts, host_count, 0);

    uint32_t term = mix((uint32_t)m->step + STEP_OFFSET);
    int64_t channels_before = lane->channels_used;
    for (int64_t d = lane->drive; d < lane->drive_end; d++)
        CALL(m, drive, m, lane, m->drives + d, term);

    /* A graded value enters exactly where the bias does, so it is lent to the bias. */
    while (at->graded < m->gradeds && m->graded_step[at->graded] == m->step) at->graded++;
    for (int64_t k = first_graded; k < at->graded; k++)
        if (m->graded_neuron[k] >= lane->first && m->graded_neuron[k] < lane->last)
            m->bias[m->graded_neuron[k]] += m->graded_value[k];
    int64_t before = lane->spikes;
    int32_t *fired = m->fired + next * m->neurons + lane->first;
    lane->spikes = 0;
    CALL(m, update, m, lane, term, fired);
    lane->fired_count[next] = lane->spikes;
    lane->spikes += before;
    for (int64_t k = first_graded; k < at->graded; k++)
        if (m->graded_neuron[k] >= lane->first && m->graded_neuron[k] < lane->last)
            m->bias[m->graded_neuron[k]] -= m->graded_value[k];

    if (lane->records_channels) {
        int64_t used = keep(lane->recorded_channels, lane->channels_used, m->channel_mask,
                            generated, lane->generated_count[now]);
        if (id == 0) used = keep(lane->recorded_channels, used, m->channel_mask, hosts, host_count);
        lane->channels_used = used;
        lane->channels_per_step[done] = (uint32_t)(used - channels_before);
    }
    if (lane->records_neurons) {
        int64_t used = keep(lane->recorded_neurons, lane->neurons_used, m->neuron_mask, fired,
                            lane->fired_count[next]);
        lane->neurons_per_step[done] = (uint32_t)(used - lane->neurons_used);
        lane->neurons_used = used;
    }
    record_states(m, id, done);
    if (m->rule_count) learn(m, id, &at->learning, hosts, host_count, now);
    if (more) generate_lane(m, lane, m->step + 1, next);
}

/* What the threads of one call share. */
typedef struct {
    Machine *machine;
    int64_t steps;
    int started;    /* 0 wait, 1 go, 2 give up */
    int arrived, phase;
    int stop[2];    /* a lane's buffers are nearly full; by parity, so that none misses it */
    int64_t done;
} Team;

typedef struct {
    Team *team;
    int64_t id;
} Member;

#if THREADS
/* Wait a little: first busily, as the others are usually microseconds away; then let other threads
 * have the processor; at last sleep, because on a busy machine one of them may not be running. */
static void relax(int *spins)
{
    ++*spins;
    if (*spins < 200) {
#if defined(__x86_64__) || defined(__i386__)
        __builtin_ia32_pause();
#endif
    } else if (*spins < 300) {
        sched_yield();
    } else {
        nanosleep(&(struct timespec){0, 20000}, NULL);
    }
}

static void barrier(Team *team)
{
    int phase = __atomic_load_n(&team->phase, __ATOMIC_RELAXED), spins = 0;
    if (__atomic_add_fetch(&team->arrived, 1, __ATOMIC_ACQ_REL) == team->machine->threads) {
        __atomic_store_n(&team->arrived, 0, __ATOMIC_RELAXED);
        __atomic_store_n(&team->phase, phase + 1, __ATOMIC_RELEASE);
        return;
    }
    while (__atomic_load_n(&team->phase, __ATOMIC_ACQUIRE) == phase) relax(&spins);
}
#define STORE(p, x) __atomic_store_n(p, x, __ATOMIC_RELAXED)
#define LOAD(p) __atomic_load_n(p, __ATOMIC_RELAXED)
#else
static void barrier(Team *team) { (void)team; }
#define STORE(p, x) (*(p) = (x))
#define LOAD(p) (*(p))
#endif

static void work(Team *team, int64_t id)
{
    Machine view = *team->machine; /* each lane counts its own steps */
    Lane *lane = view.lanes + id;
    Cursor at = {first_at(view.host_step, view.hosts, view.step),
                 first_at(view.graded_step, view.gradeds, view.step),
                 learning_cursor(&view)};
    lane->modulator = view.modulator;
    int now = (int)view.parity;
    rewind_periodic(&view, lane, view.step);
    generate_lane(&view, lane, view.step, now);
    barrier(team);
    int64_t done = 0;
    while (done < team->steps) {
        step_lane(&view, id, &at, done, now, done + 1 < team->steps);
        if (lane->neurons_used > lane->neuron_limit || lane->channels_used > lane->channel_limit)
            STORE(&team->stop[done & 1], 1);
        barrier(team);
        view.step++;
        now ^= 1;
        if (LOAD(&team->stop[done++ & 1])) break;
    }
    if (id == 0) team->done = done;
}

#if THREADS
static void *enter(void *argument)
{
    Member *member = argument;
    int spins = 0, started;
    while (!(started = __atomic_load_n(&member->team->started, __ATOMIC_ACQUIRE))) relax(&spins);
    if (started == 1) work(member->team, member->id);
    return NULL;
}

static int64_t run_team(Team *team)
{
    int64_t threads = team->machine->threads, made = 0;
    pthread_t *thread = malloc((size_t)threads * sizeof *thread);
    Member *member = malloc((size_t)threads * sizeof *member);
    while (thread && member && made + 1 < threads) {
        member[made] = (Member){team, made + 1};
        if (pthread_create(thread + made, NULL, enter, member + made)) break;
        made++;
    }
    int whole = made + 1 == threads;
    __atomic_store_n(&team->started, whole ? 1 : 2, __ATOMIC_RELEASE);
    if (whole) work(team, 0);
    for (int64_t k = 0; k < made; k++) pthread_join(thread[k], NULL);
    free(thread);
    free(member);
    return whole ? team->done : -1;
}
#else
static int64_t run_team(Team *team)
{
    (void)team;
    return -1;
}
#endif

int64_t sl_run(Machine *machine, int64_t steps)
{
    Team team = {.machine = machine, .steps = steps};
    int64_t done = 0;
    if (machine->threads > 1) {
        done = run_team(&team);
    } else {
        work(&team, 0);
        done = team.done;
    }
    if (done > 0) {
        machine->step += (uint64_t)done;
        machine->parity ^= done & 1;
        machine->modulator = machine->lanes[0].modulator;
    }
    return done;
}

int64_t sl_abi(void) { return SL_ABI; }

int64_t sl_source(void)
{
#ifdef SL_SOURCE
    return SL_SOURCE;
#else
    return -1;
#endif
}

int64_t sl_size(int32_t which)
{
    const size_t sizes[] = {sizeof(Machine),    sizeof(Lane),  sizeof(Segment), sizeof(Drive),
                            sizeof(Trace),      sizeof(CoreMemory), sizeof(Layout),
                            sizeof(Fading),  sizeof(Product), sizeof(Group), sizeof(Memory),
                            sizeof(Part), sizeof(Rectangle), sizeof(Rule), sizeof(LaneRule),
                            sizeof(Counter), sizeof(Mesh), sizeof(Journal)};
    return which < (int32_t)(sizeof sizes / sizeof *sizes) ? (int64_t)sizes[which] : -1;
}

int64_t sl_threads(void) { return THREADS ? 255 : 1; }

int64_t sl_instructions(void)
{
#if HAVE_AVX
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
        return AVX512;
    return __builtin_cpu_supports("avx2") ? AVX2 : PORTABLE;
#else
    return PORTABLE;
#endif
}

void sl_mix(uint32_t *words, int64_t count)
{
    for (int64_t i = 0; i < count; i++) words[i] = mix(words[i]);
}

void sl_decay(int32_t *values, int64_t count, int32_t k)
{
    for (int64_t i = 0; i < count; i++) values[i] = decay(values[i], 4096 - k);
}
