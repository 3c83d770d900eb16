/* The vectorised loops of the emulator, compiled once per instruction set (see kernel.c).
 *
 * Included with NAME(x) and TARGET set. Plain C throughout: loops without branches that compilers
 * turn into vector code. All products and sums fit 32 bits; docs/machine.md is the specification.
 */

/* One block of at most BLOCK neurons. `word[i]` tells what happened to a neuron. The features are
 * constants at every call, so that what a segment does not need costs nothing. */
INLINE TARGET void NAME(block)(const Machine *m, const Segment *g, int64_t at, int n,
                               uint32_t term, int32_t *restrict word, const int features)
{
    const int two = features & F_TWO, adapts = features & F_ADAPT;
    const int full = features & F_FULL, mixed = features & F_MIXED;
    const int32_t low = (int32_t)m->state_low, high = (int32_t)m->state_high;
    const int64_t slot = (int64_t)(m->step & (uint64_t)(m->slots - 1));
    uint32_t *restrict acc0 = m->wheel + slot * m->receptors * m->stride + at;
    uint32_t *restrict acc1 = acc0 + (two ? m->stride : 0);
    int32_t *restrict u0 = m->u0 + at, *restrict u1 = m->u1 + at, *restrict v = m->v + at;
    int32_t *restrict adapt = m->adapt + at, *restrict refractory = m->refractory + at;
    int32_t *restrict pending = m->pending + at;
    const int32_t *restrict theta = m->theta + at, *restrict bias = m->bias + at;
    const uint32_t *restrict key = m->adapt_key + at;
    const int32_t *restrict own = mixed ? m->mixed + at : 0;
    const int64_t all = m->neurons;
    const int32_t *shared = g->parameters;
    const int32_t decay_u0 = shared[P_DECAY_U0], decay_u1 = shared[P_DECAY_U1];
    const int32_t shift = shared[P_SHIFT], limit = shared[P_LIMIT], spiking = shared[P_SPIKING];
    const int32_t decay_v = shared[P_DECAY_V], leak_step = shared[P_LEAK_STEP];
    const int32_t subtract = shared[P_SUBTRACT], delayed = shared[P_DELAYED];
    const int32_t v_reset = shared[P_V_RESET], steps = shared[P_REFRACTORY];
    const int32_t hold = shared[P_HOLD], adapt_step = shared[P_ADAPT_STEP];
    const int32_t adapt_decay = shared[P_ADAPT_DECAY];
#define VALUE(code, name) (mixed ? own[(code) * all + i] : (name))
#define SHIFTED(x)                                                                         \
    (mixed ? clamp(x, -own[P_LIMIT * all + i], own[P_LIMIT * all + i]) * own[P_SCALE * all + i] \
           : (int32_t)((uint32_t)clamp(x, -limit, limit) << shift))

    INDEPENDENT
    for (int i = 0; i < n; i++) {
        int32_t sum = decay(u0[i], VALUE(P_DECAY_U0, decay_u0)) + SHIFTED((int32_t)acc0[i]);
        int32_t x = clamp(sum, low, high);
        int32_t happened = -(x != sum) & W_U0;
        acc0[i] = 0;
        u0[i] = x;
        if (two) {
            sum = decay(u1[i], VALUE(P_DECAY_U1, decay_u1)) + SHIFTED((int32_t)acc1[i]);
            int32_t second = clamp(sum, low, high);
            happened |= -(second != sum) & W_U1;
            acc1[i] = 0;
            u1[i] = second;
            x += second;
        }
        x += bias[i];

        int32_t thr = theta[i] + (adapts ? adapt[i] : 0);
        int32_t held = -(refractory[i] > 0);
        int32_t base = decay(v[i], VALUE(P_DECAY_V, decay_v));
        if (full) /* with exponential leak L = 0, with linear leak the factor is 1 */
            base = toward_zero(base, VALUE(P_LEAK_STEP, leak_step));
        base += x;
        base = choose(full ? held & VALUE(P_HOLD, hold) : held, v[i], base);
        int32_t by_subtraction = full ? VALUE(P_SUBTRACT, subtract) : 0;
        int32_t reset_to = VALUE(P_V_RESET, v_reset);
        if (full)
            base = choose(-(pending[i] != 0), choose(by_subtraction, base - thr, reset_to), base);
        int32_t after = clamp(base, low, high);
        happened |= -(after != base) & W_V;

        int32_t fire = -(after > thr) & ~held & VALUE(P_SPIKING, spiking);
        int32_t now = fire;
        if (full) {
            int32_t later = VALUE(P_DELAYED, delayed);
            now &= ~later;
            pending[i] = fire & later & 1;
            int32_t reduced = after - thr;
            int32_t clamped = clamp(reduced, low, high);
            happened |= -(clamped != reduced) & now & by_subtraction & W_RESET;
            reset_to = choose(by_subtraction, clamped, reset_to);
        }
        v[i] = choose(now, reset_to, after);
        int32_t counter = refractory[i] - 1;
        refractory[i] = choose(fire, VALUE(P_REFRACTORY, steps), counter < 0 ? 0 : counter);
        if (adapts) {
            int32_t noise = (int32_t)(mix(key[i] + term) >> 20);
            int32_t factor = VALUE(P_ADAPT_DECAY, adapt_decay), old = adapt[i];
            int32_t next = (old >> 12) * factor + (((old & 4095) * factor + noise) >> 12);
            next += fire & VALUE(P_ADAPT_STEP, adapt_step);
            int32_t kept = clamp(next, low, high);
            happened |= -(kept != next) & W_THRESHOLD;
            adapt[i] = kept;
        }
        word[i] = happened | (fire & W_FIRE);
    }
#undef VALUE
#undef SHIFTED
}

/* Update one segment; features is a constant at each call. */
INLINE TARGET void NAME(segment)(const Machine *m, Lane *lane, const Segment *g, uint32_t term,
                                 int32_t *fired, const int features)
{
    int32_t word[BLOCK];
    for (int64_t done = 0; done < g->count; done += BLOCK) {
        int n = (int)(g->count - done < BLOCK ? g->count - done : BLOCK);
        NAME(block)(m, g, g->first + done, n, term, word, features);
        note_block(m, lane, g->core, g->first + done, n, word, fired);
    }
}

/* All neurons of a lane; the numbers of those that fire are appended to its list. */
static TARGET void NAME(update)(const Machine *m, Lane *lane, uint32_t term, int32_t *fired)
{
    for (int64_t s = lane->segment; s < lane->segment_end; s++) {
        const Segment *g = m->segments + s;
#define CASE(f) case f: NAME(segment)(m, lane, g, term, fired, f); break
        switch (g->features) {
            CASE(0); CASE(1); CASE(2); CASE(3); CASE(4); CASE(5); CASE(6); CASE(7);
            CASE(F_MIXED | F_FULL); CASE(F_MIXED | F_FULL | F_TWO);
            CASE(F_MIXED | F_FULL | F_ADAPT); CASE(F_MIXED | F_FULL | F_ADAPT | F_TWO);
        }
#undef CASE
    }
}

/* Draw for `n` channels and add to `n` accumulators; returns how many fired. hit[i] is 0 or -1. */
INLINE TARGET int64_t NAME(draw)(uint32_t *restrict acc, const uint32_t *restrict key,
                                 const uint32_t *restrict probability,
                                 const int32_t *restrict value, int n, uint32_t term,
                                 int32_t *restrict hit, const int uniform, const int keep)
{
    const uint32_t p = probability[0];
    const int32_t w = value[0];
    int32_t hits = 0;
    INDEPENDENT
    for (int i = 0; i < n; i++) {
        int32_t fires = -(mix(key[i] + term) < (uniform ? p : probability[i]));
        acc[i] += (uint32_t)(fires & (uniform ? w : value[i]));
        hits -= fires;
        if (keep) hit[i] = fires;
    }
    return hits;
}

/* Generators with one synapse each, straight into the accumulators. */
static TARGET void NAME(drive)(const Machine *m, Lane *lane, const Drive *d, uint32_t term)
{
    uint32_t *acc = accumulators(m, d->delay) + d->receptor * m->stride + d->target;
    int32_t hit[BLOCK];
    for (int64_t done = 0; done < d->count; done += BLOCK) {
        int n = (int)(d->count - done < BLOCK ? d->count - done : BLOCK);
        int64_t c = d->channel + done;
        const uint32_t *key = m->drive_key + c, *p = m->drive_probability + c;
        const int32_t *value = m->drive_value + c;
        if (d->recorded) {
            lane->events += NAME(draw)(acc + done, key, p, value, n, term, hit, 0, 1);
            note_channels(m, lane, (int32_t)c, n, hit);
        } else if (d->uniform) {
            lane->events += NAME(draw)(acc + done, key, p, value, n, term, hit, 1, 0);
        } else {
            lane->events += NAME(draw)(acc + done, key, p, value, n, term, hit, 0, 0);
        }
    }
}

/* The remaining Poisson channels of a lane that fire in the step of `term`, into `list`. */
static TARGET int64_t NAME(generate)(const Machine *m, const Lane *lane, uint32_t term,
                                     int32_t *list)
{
    int64_t count = 0;
    int32_t hit[BLOCK];
    for (int64_t at = lane->poisson; at < lane->poisson_end; at += BLOCK) {
        int n = (int)(lane->poisson_end - at < BLOCK ? lane->poisson_end - at : BLOCK);
        const uint32_t *key = m->poisson_key + at, *p = m->poisson_probability + at;
        int32_t any = 0;
        INDEPENDENT
        for (int i = 0; i < n; i++) {
            hit[i] = -(mix(key[i] + term) < p[i]);
            any |= hit[i];
        }
        for (int i = 0; any && i < n; i++)
            if (hit[i]) list[count++] = m->poisson_channel[at + i];
    }
    return count;
}

/* Add a run of int8 or int16 weights to consecutive accumulators. */
static TARGET void NAME(dense8)(uint32_t *restrict acc, const int8_t *restrict w, int n,
                                int32_t factor)
{
    INDEPENDENT
    for (int i = 0; i < n; i++) acc[i] += (uint32_t)(w[i] * factor);
}

static TARGET void NAME(dense16)(uint32_t *restrict acc, const half *restrict w, int n,
                                 int32_t factor)
{
    INDEPENDENT
    for (int i = 0; i < n; i++) acc[i] += (uint32_t)(w[i] * factor);
}
