/* Learning: what plastic synapses and their traces do in a step (docs/machine.md §7).
 *
 * A lane changes the synapses onto its own neurons, so none is written by two; presynaptic traces
 * are small, and every lane keeps its own copy of them. A row (pre and epoch groups) or a column
 * (post groups) is taken in batches of SPAN synapses: factors that are the same for all of them are
 * multiplied into the coefficients first, the others are vectors of 32-bit numbers. */

#include "learn.h"

#include "common.h"

#include <stddef.h>
#include <string.h>

enum { SPAN = 256, MOST_TERMS = 64 };
/* More than any weight, tag or delay can change. */
enum { FAR = 1 << 17 };

/* A product with what is equal for a whole batch multiplied into its coefficient. */
typedef struct {
    uint32_t scale;
    int32_t vectors, code[MOST_FACTORS + 1];
} Term;

/* How the sum of the terms first_term .. last_term becomes a change. */
typedef struct {
    int32_t changes, shift, low, high, stochastic, first_term, last_term;
    uint32_t a, b, half;
} Rounded;

typedef struct {
    const int32_t *vector[V_CODES]; /* null where the factor is a scalar */
    int32_t scalar[V_CODES];
    const int32_t *number;  /* what the rounding's hash multiplies */
    const uint8_t *enabled; /* by place, or null: all are */
    int groups;             /* those with any term */
    Rounded rounded[CHANGES];
    Term term[MOST_TERMS];
    int32_t space[V_CODES][SPAN];
} Batch;

/* Everything that products may read is a scalar 0 or a vector that is loaded with the synapses. */
static void begin_batch(Batch *b, const Lane *lane)
{
    memset(b->vector, 0, sizeof b->vector);
    memset(b->scalar, 0, sizeof b->scalar);
    b->scalar[V_M] = (int32_t)lane->modulator;
    for (int code = V_W; code <= V_DELAY; code++) b->vector[code] = b->space[code];
}

/* A product's term; returns 0 where it adds nothing to any synapse of the batch. */
static int make_term(const Batch *b, const Product *product, int32_t events, int when, Term *term)
{
    *term = (Term){(uint32_t)product->coefficient, 0, {0}};
    if (product->condition & ~events) return 0;
    for (int f = 0; f < product->factors; f++) {
        int32_t code = product->factor[f], of = code & ~V_SIGN;
        if (b->vector[of]) {
            term->code[term->vectors++] = code;
        } else {
            int32_t value = b->scalar[of];
            term->scale *= (uint32_t)(code & V_SIGN ? (value > 0) - (value < 0) : value);
        }
    }
    if (when == POST && product->condition & X0) term->code[term->vectors++] = V_EVENT;
    return term->scale != 0;
}

/* Terms and rounding of the groups of one `when`; returns how many groups change anything.
 *
 * A sum of 0 rounds to 0 in every way, and everything that learns is within its limits, so a group
 * without terms is left out. key: what the rounding's a and b are drawn for. */
static int prepare(Batch *b, const Rule *rule, int when, int32_t events, uint32_t key,
                   uint32_t step_term)
{
    int terms = 0;
    b->groups = 0;
    for (int64_t g = rule->first_group[when]; g < rule->first_group[when + 1]; g++) {
        const Group *group = rule->group + g;
        Rounded *r = b->rounded + b->groups;
        r->first_term = terms;
        for (int32_t p = 0; p < group->count; p++)
            terms += make_term(b, rule->product + group->first + p, events, when, b->term + terms);
        r->last_term = terms;
        if (terms == r->first_term) continue;
        const uint32_t *salt = rule->salt[when][group->changes];
        r->changes = group->changes;
        r->shift = group->shift;
        r->low = (int32_t)rule->low[group->changes];
        r->high = (int32_t)rule->high[group->changes];
        r->stochastic = rule->rounding == STOCHASTIC && group->shift;
        r->half = rule->rounding == NEAREST && group->shift ? 1u << (group->shift - 1) : 0;
        if (r->stochastic) {
            r->a = mix(mix(key + salt[0]) + step_term);
            r->b = mix(mix(key + salt[1]) + step_term);
        }
        b->groups++;
    }
    for (int code = V_SIGN; code < V_CODES; code++) b->vector[code] = b->space[code];
    return b->groups;
}

#define NAME(x) x##_portable
#define TARGET
#include "learn_loops.h"
#undef NAME
#undef TARGET

#if HAVE_AVX
#define NAME(x) x##_avx2
#define TARGET __attribute__((target("avx2")))
#include "learn_loops.h"
#undef NAME
#undef TARGET
#define NAME(x) x##_avx512
#define TARGET __attribute__((target(AVX512_TARGET)))
#include "learn_loops.h"
#undef NAME
#undef TARGET
#endif

LearningCursor learning_cursor(const Machine *m)
{
    return (LearningCursor){first_at(m->teacher_step, m->teachers, m->step),
                            first_at(m->factor_step, m->factors, m->step),
                            first_at(m->modulator_step, m->modulators, m->step)};
}

/* An event at a position; it is due once, whatever the number of its reasons. */
static void note_event(const Rule *rule, LaneRule *own, int64_t position, int32_t event)
{
    if (!rule->event[position]) own->y_list[own->y_count++] = (int32_t)position;
    rule->event[position] |= event;
}

/* What the host sends for this step; y_count begins at 0. */
static void take_input(const Machine *m, Lane *lane, LearningCursor *at)
{
    for (; at->teacher < m->teachers && m->teacher_step[at->teacher] == m->step; at->teacher++) {
        int32_t neuron = m->teacher_neuron[at->teacher];
        for (int64_t k = 0; k < m->rule_count; k++) {
            int32_t position = m->rules[k].position_of[neuron];
            if (neuron >= lane->first && neuron < lane->last && position >= 0)
                note_event(m->rules + k, lane->rules + k, position, T0);
        }
    }
    for (; at->factor < m->factors && m->factor_step[at->factor] == m->step; at->factor++) {
        int32_t neuron = m->factor_neuron[at->factor];
        for (int64_t k = 0; k < m->rule_count; k++) {
            int32_t position = m->rules[k].position_of[neuron];
            if (neuron >= lane->first && neuron < lane->last && position >= 0)
                m->rules[k].third_factor[position] = m->factor_value[at->factor];
        }
    }
    for (; at->modulator < m->modulators && m->modulator_step[at->modulator] == m->step;
         at->modulator++)
        lane->modulator = m->modulator_value[at->modulator];
}

static void note_spike(LaneRule *own, int64_t pre)
{
    if (!own->x_event[pre]) own->x_list[own->x_count++] = (int32_t)pre;
    own->x_event[pre] = 1;
}

static void note_channels_of(const Rule *rule, LaneRule *own, const int32_t *list, int64_t count)
{
    for (int64_t k = 0; k < count; k++) {
        int64_t pre = list[k] - rule->first_channel;
        if (pre >= 0 && pre < rule->pre_size) note_spike(own, pre);
    }
}

/* x0: whose spikes arrive in this step. */
static void find_arrivals(const Machine *m, const Rule *rule, LaneRule *own, const int32_t *hosts,
                          int64_t host_count, int now)
{
    if (rule->first_channel >= 0) note_channels_of(rule, own, hosts, host_count);
    for (int64_t j = 0; j < m->threads; j++) {
        const Lane *other = m->lanes + j;
        if (rule->first_channel >= 0) {
            const int32_t *list = other->generated + now * other->generated_room;
            note_channels_of(rule, own, list, other->generated_count[now]);
            continue;
        }
        const int32_t *fired = m->fired + now * m->neurons + other->first;
        for (int64_t k = 0; k < other->fired_count[now]; k++)
            if (rule->pre_of[fired[k]] >= 0) note_spike(own, rule->pre_of[fired[k]]);
    }
}

/* y0: who fired, post_delay steps ago. */
static void find_firings(const Machine *m, const Lane *lane, const Rule *rule, LaneRule *own,
                         int next)
{
    const int32_t *fired = m->fired + next * m->neurons + lane->first;
    if (rule->post_delay) {
        uint64_t mask = ((uint64_t)1 << rule->post_delay) - 1;
        for (int64_t p = own->position; p < own->position_end; p++) {
            uint64_t before = rule->fired_before[p];
            if (before >> (rule->post_delay - 1) & 1) note_event(rule, own, p, Y0);
            rule->fired_before[p] = before << 1 & mask;
        }
    }
    for (int64_t k = 0; k < lane->fired_count[next]; k++) {
        int32_t position = rule->position_of[fired[k]];
        if (position < 0) continue;
        if (rule->post_delay) rule->fired_before[position] |= 1;
        else note_event(rule, own, position, Y0);
    }
}

static void learn_rows(const Machine *m, const Lane *lane, const Rule *rule, const LaneRule *own,
                       int64_t pre, int when, uint32_t term)
{
    for (int64_t k = rule->first_part[pre]; k < rule->first_part[pre + 1]; k++)
        CALL(m, learn_row, m, lane, rule, own, lane->parts + rule->parts[k], when, term);
}

/* The groups that are due: pre, post, epoch. */
static void change_synapses(const Machine *m, const Lane *lane, const Rule *rule, LaneRule *own,
                            uint32_t term)
{
    const int64_t *first = rule->first_group;
    if (first[PRE] < first[POST])
        for (int64_t k = 0; k < own->x_count; k++)
            learn_rows(m, lane, rule, own, own->x_list[k], PRE, term);
    if (first[POST] < first[EPOCH] && own->y_count) {
        CALL(m, find_live, rule, own);
        for (int64_t k = 0; k < own->y_count; k++)
            CALL(m, learn_column, m, lane, rule, own, own->y_list[k], term);
    }
    if (first[EPOCH] < first[WHENS] && (m->step + 1) % (uint64_t)rule->period == 0)
        for (int64_t pre = 0; pre < rule->pre_size; pre++)
            learn_rows(m, lane, rule, own, pre, EPOCH, term);
}

/* Traces take up the events of the step, which are over then. */
static void take_up_events(const Machine *m, const Rule *rule, LaneRule *own, uint32_t term)
{
    const int32_t top = (int32_t)rule->trace_max;
    const int64_t p = own->position, n = own->position_end - p;
    for (int k = 0; k < 2; k++) {
        CALL(m, take_up, rule->x_fading + k, top, own->x_stored[k], own->x[k], rule->x_hash[k],
             own->x_event, 1, rule->pre_size, term);
        CALL(m, take_up, rule->y_fading + k, top, rule->y_stored[k] + p, rule->y[k] + p,
             rule->y_hash[k] + p, rule->event + p, Y0, n, term);
    }
    for (int64_t k = 0; k < own->x_count; k++) own->x_event[own->x_list[k]] = 0;
    for (int64_t k = 0; k < own->y_count; k++) rule->event[own->y_list[k]] = 0;
    own->x_count = own->y_count = 0;
}

void learn(const Machine *m, int64_t id, LearningCursor *at, const int32_t *hosts,
           int64_t host_count, int now)
{
    Lane *lane = m->lanes + id;
    const uint32_t term = mix((uint32_t)m->step + STEP_OFFSET);
    take_input(m, lane, at);
    for (int64_t k = 0; k < m->rule_count; k++) {
        const Rule *rule = m->rules + k;
        LaneRule *own = lane->rules + k;
        find_arrivals(m, rule, own, hosts, host_count, now);
        find_firings(m, lane, rule, own, now ^ 1);
        if (m->learning) change_synapses(m, lane, rule, own, term);
        take_up_events(m, rule, own, term);
    }
}
