/* The vectorised loops of learning, compiled once per instruction set (see learn.c).
 *
 * Included with NAME(x) and TARGET set; plain C, as in kernel_neuron.h. Products are computed modulo
 * 2^32: what they and their sum really are fits 32 bits, which the compiler has proved. */

/* Weights of n synapses, at `place` or one after the other from `first` on. */
INLINE TARGET void NAME(load)(int32_t *restrict out, const Memory *memory, const int64_t *place,
                              int64_t first, int n)
{
    const int8_t *restrict w8 = memory->weight;
    const int16_t *restrict w16 = memory->weight;
    if (memory->bytes == 1) {
        if (place) for (int k = 0; k < n; k++) out[k] = w8[place[k]];
        else for (int k = 0; k < n; k++) out[k] = w8[first + k];
    } else {
        if (place) for (int k = 0; k < n; k++) out[k] = w16[place[k]];
        else for (int k = 0; k < n; k++) out[k] = w16[first + k];
    }
}

INLINE TARGET void NAME(store)(const int32_t *restrict from, const Memory *memory,
                               const int64_t *place, int64_t first, int n)
{
    int8_t *restrict w8 = memory->weight;
    int16_t *restrict w16 = memory->weight;
    if (memory->bytes == 1) {
        if (place) for (int k = 0; k < n; k++) w8[place[k]] = (int8_t)from[k];
        else for (int k = 0; k < n; k++) w8[first + k] = (int8_t)from[k];
    } else {
        if (place) for (int k = 0; k < n; k++) w16[place[k]] = (int16_t)from[k];
        else for (int k = 0; k < n; k++) w16[first + k] = (int16_t)from[k];
    }
}

/* Tags or delays. */
INLINE TARGET void NAME(load_bytes)(int32_t *restrict out, const void *bytes, int is_signed,
                                    const int64_t *place, int64_t first, int n)
{
    const int8_t *tag = bytes;
    const uint8_t *delay = bytes;
    for (int k = 0; k < n; k++) {
        int64_t at = place ? place[k] : first + k;
        out[k] = is_signed ? tag[at] : delay[at];
    }
}

INLINE TARGET void NAME(gather)(int32_t *restrict out, const int32_t *restrict from,
                                const int32_t *restrict index, int n)
{
    for (int k = 0; k < n; k++) out[k] = from[index[k]];
}

static TARGET void NAME(add_product)(uint32_t *restrict total, const Batch *b, const Term *t, int n)
{
    const uint32_t c = t->scale;
    const int32_t *restrict f = b->vector[t->code[0]], *restrict g = b->vector[t->code[1]];
    const int32_t *restrict h = b->vector[t->code[2]], *restrict e = b->vector[t->code[3]];
    switch (t->vectors) {
    case 0: for (int k = 0; k < n; k++) total[k] += c; break;
    case 1: for (int k = 0; k < n; k++) total[k] += c * (uint32_t)f[k]; break;
    case 2: for (int k = 0; k < n; k++) total[k] += c * (uint32_t)f[k] * (uint32_t)g[k]; break;
    case 3:
        for (int k = 0; k < n; k++)
            total[k] += c * (uint32_t)f[k] * (uint32_t)g[k] * (uint32_t)h[k];
        break;
    default:
        for (int k = 0; k < n; k++)
            total[k] += c * (uint32_t)f[k] * (uint32_t)g[k] * (uint32_t)h[k] * (uint32_t)e[k];
    }
}

/* (total + R) >> shift, added to what was before within the limits. */
static TARGET void NAME(change)(int32_t *restrict after, const uint32_t *restrict total,
                                const int32_t *restrict before, const int32_t *restrict number,
                                const Rounded *r, int n)
{
    const int32_t shift = r->shift, low = r->low, high = r->high;
    const uint32_t a = r->a, c = r->b, half_of = r->half;
    if (r->stochastic) {
        const int32_t drop = 32 - shift;
        for (int k = 0; k < n; k++) {
            uint32_t noise = (a * (uint32_t)number[k] + c) >> drop;
            int32_t by = clamp((int32_t)(total[k] + noise) >> shift, -FAR, FAR);
            after[k] = clamp(before[k] + by, low, high);
        }
    } else {
        for (int k = 0; k < n; k++) {
            int32_t by = clamp((int32_t)(total[k] + half_of) >> shift, -FAR, FAR);
            after[k] = clamp(before[k] + by, low, high);
        }
    }
}

/* What follows from the loaded values: distances from the limits, and signs. */
INLINE TARGET void NAME(derive)(const Rule *rule, Batch *b, int64_t needs, int n)
{
    const int32_t low = (int32_t)rule->low[WEIGHT], high = (int32_t)rule->high[WEIGHT];
    const int32_t *w = b->space[V_W];
    if (needs >> V_ABOVE & 1) for (int k = 0; k < n; k++) b->space[V_ABOVE][k] = high - w[k];
    if (needs >> V_BELOW & 1) for (int k = 0; k < n; k++) b->space[V_BELOW][k] = w[k] - low;
    for (int code = 0; needs >> V_SIGN && code < V_EVENT; code++) {
        const int32_t *value = b->vector[code];
        int32_t *sign = b->space[code + V_SIGN];
        if (value && needs >> (code + V_SIGN) & 1)
            for (int k = 0; k < n; k++) sign[k] = (value[k] > 0) - (value[k] < 0);
    }
}

/* The groups of one `when` for n synapses, whose values from before any of them are loaded. */
static TARGET void NAME(apply)(const Rule *rule, Batch *b, int when, const Memory *memory,
                               const int64_t *place, int64_t first, int n)
{
    static const int value_of[CHANGES] = {V_W, V_TAG, V_DELAY};
    uint32_t total[SPAN];
    int32_t after[CHANGES][SPAN];
    NAME(derive)(rule, b, rule->needs[when], n);
    for (int g = 0; g < b->groups; g++) {
        const Rounded *r = b->rounded + g;
        memset(total, 0, (size_t)n * sizeof *total);
        for (int t = r->first_term; t < r->last_term; t++)
            NAME(add_product)(total, b, b->term + t, n);
        const int32_t *before = b->space[value_of[r->changes]];
        NAME(change)(after[r->changes], total, before, b->number, r, n);
        if (b->enabled)
            for (int k = 0; k < n; k++)
                if (!b->enabled[place ? place[k] : first + k]) after[r->changes][k] = before[k];
    }
    for (int g = 0; g < b->groups; g++) {
        const int32_t *from = after[b->rounded[g].changes];
        if (b->rounded[g].changes == WEIGHT) {
            NAME(store)(from, memory, place, first, n);
        } else if (b->rounded[g].changes == TAG) {
            for (int k = 0; k < n; k++) memory->tag[place ? place[k] : first + k] = (int8_t)from[k];
        } else {
            for (int k = 0; k < n; k++)
                memory->delay[place ? place[k] : first + k] = (uint8_t)from[k];
        }
    }
}

/* Load what the synapses themselves have. */
INLINE TARGET void NAME(load_synapses)(Batch *b, int64_t needs, const Memory *memory,
                                       const int64_t *place, int64_t first, int n)
{
    NAME(load)(b->space[V_W], memory, place, first, n);
    if (needs >> V_TAG & 1)
        NAME(load_bytes)(b->space[V_TAG], memory->tag, 1, place, first, n);
    if (needs >> V_DELAY & 1)
        NAME(load_bytes)(b->space[V_DELAY], memory->delay, 0, place, first, n);
}

/* Pre or epoch groups for a lane's part of a row group. */
static TARGET void NAME(learn_row)(const Machine *m, const Lane *lane, const Rule *rule,
                                   const LaneRule *own, const Part *part, int when, uint32_t term)
{
    const Memory *memory = m->memories + part->memory;
    const int64_t needs = rule->needs[when];
    const int32_t *const of_position[] = {rule->y[0], rule->y[1], rule->third_factor, rule->key};
    static const int codes[] = {V_Y1, V_Y2, V_R, V_EVENT};
    Batch b;
    begin_batch(&b, lane);
    b.scalar[V_X1] = own->x[0][part->pre];
    b.scalar[V_X2] = own->x[1][part->pre];
    for (int f = 0; f < 3; f++) b.vector[codes[f]] = b.space[codes[f]];
    if (!prepare(&b, rule, when, X0, (uint32_t)part->pre, term)) return;
    b.enabled = part->all_enabled ? NULL : memory->enable;
    for (int64_t done = 0; done < part->count; done += SPAN) {
        int n = (int)(part->count - done < SPAN ? part->count - done : SPAN);
        const int64_t *place = part->place ? part->place + done : NULL;
        for (int f = 0; f < 4; f++) { /* the fourth are the numbers, which rounding needs */
            if (f < 3 && !(needs >> codes[f] & 1)) continue;
            if (part->position)
                NAME(gather)(b.space[codes[f]], of_position[f], part->position + done, n);
            const int32_t *values = part->position ? b.space[codes[f]]
                                                   : of_position[f] + part->first_position + done;
            if (f < 3) b.vector[codes[f]] = values;
            else b.number = values;
        }
        NAME(load_synapses)(&b, needs, memory, place, part->offset + done, n);
        NAME(apply)(rule, &b, when, memory, place, part->offset + done, n);
    }
}

/* Post groups for n synapses of one postsynaptic neuron. */
static TARGET void NAME(learn_places)(const Rule *rule, const LaneRule *own, Batch *b,
                                      const Memory *memory, const int64_t *place,
                                      const int32_t *pre, int n)
{
    const int64_t needs = rule->needs[POST];
    if (needs >> V_X1 & 1) NAME(gather)(b->space[V_X1], own->x[0], pre, n);
    if (needs >> V_X2 & 1) NAME(gather)(b->space[V_X2], own->x[1], pre, n);
    if (needs >> V_EVENT & 1) NAME(gather)(b->space[V_EVENT], own->x_event, pre, n);
    b->number = pre;
    NAME(load_synapses)(b, needs, memory, place, 0, n);
    NAME(apply)(rule, b, POST, memory, place, 0, n);
}

static TARGET void NAME(learn_rectangle)(const Machine *m, const Rule *rule, const LaneRule *own,
                                         Batch *b, const Rectangle *r, int64_t position)
{
    const Memory *memory = m->memories + r->memory;
    const int64_t column = position - r->first_position;
    int64_t place[SPAN];
    int32_t pre[SPAN];
    b->enabled = r->all_enabled ? NULL : memory->enable;
    for (int64_t done = 0; r->complete && done < own->live_count; done += SPAN) {
        int n = (int)(own->live_count - done < SPAN ? own->live_count - done : SPAN);
        const int32_t *live = own->live_list + done;
        for (int k = 0; k < n; k++) place[k] = r->offset[live[k]] + column;
        NAME(learn_places)(rule, own, b, memory, place, live, n);
    }
    for (int64_t done = 0; !r->complete && done < r->rows; done += SPAN) {
        int64_t end = r->rows - done < SPAN ? r->rows : done + SPAN;
        int n = 0;
        for (int64_t k = done; k < end; k++) {
            pre[n] = r->pre[k];
            place[n] = r->offset[k] + column;
            n += own->x_live[r->pre[k]];
        }
        if (n) NAME(learn_places)(rule, own, b, memory, place, pre, n);
    }
}

/* Post groups for all synapses onto a position. */
static TARGET void NAME(learn_column)(const Machine *m, const Lane *lane, const Rule *rule,
                                      const LaneRule *own, int64_t position, uint32_t term)
{
    Batch b;
    begin_batch(&b, lane);
    b.scalar[V_Y1] = rule->y[0][position];
    b.scalar[V_Y2] = rule->y[1][position];
    b.scalar[V_R] = rule->third_factor[position];
    b.vector[V_X1] = b.space[V_X1];
    b.vector[V_X2] = b.space[V_X2];
    b.vector[V_EVENT] = b.space[V_EVENT];
    int32_t key = rule->key[position], event = rule->event[position];
    if (!prepare(&b, rule, POST, event | X0, (uint32_t)key, term)) return;
    for (int64_t k = rule->first_rectangle[position]; k < rule->first_rectangle[position + 1]; k++)
        NAME(learn_rectangle)(m, rule, own, &b, rule->rectangle + rule->rectangles[k], position);
    const Memory *memory = m->memories + rule->sparse_memory[position];
    b.enabled = NULL; /* the others are not in the list */
    const int64_t end = rule->first_place[position + 1];
    for (int64_t k = rule->first_place[position]; k < end; k += SPAN)
        NAME(learn_places)(rule, own, &b, memory, rule->place + k, rule->pre + k,
                           (int)(end - k < SPAN ? end - k : SPAN));
}

/* What n neurons remember at the end of the step. event: any of `bits` is one. */
static TARGET void NAME(take_up)(const Fading *f, int32_t top, uint32_t *restrict stored,
                                 int32_t *restrict value, const uint32_t *restrict hash,
                                 const int32_t *restrict event, int32_t bits, int64_t n,
                                 uint32_t term)
{
    if (f->kind == T_EXPONENTIAL) {
        const int32_t keep = f->keep, impulse = f->impulse, replace = f->replace;
        for (int64_t k = 0; k < n; k++) {
            int32_t z = value[k], noise = (int32_t)(mix(hash[k] + term) >> 20);
            z = (z * keep + noise) >> 12;
            int32_t added = z + impulse;
            added = replace ? impulse : added > top ? top : added;
            value[k] = choose(-((event[k] & bits) != 0), added, z);
        }
    } else if (f->kind == T_WINDOW) {
        for (int64_t k = 0; k < n; k++) {
            stored[k] = stored[k] << 1 | ((event[k] & bits) != 0);
            value[k] = 0;
        }
        for (int age = f->ages - 1; age >= 0; age--) {
            const int32_t worth = f->table[age], replace = f->replace;
            for (int64_t k = 0; k < n; k++) {
                int32_t set = -(int32_t)(stored[k] >> age & 1);
                value[k] = replace ? choose(set, worth, value[k]) : value[k] + (worth & set);
            }
        }
        for (int64_t k = 0; k < n; k++) value[k] = value[k] > top ? top : value[k];
    }
}

/* Whose synapses a column has to look at. */
static TARGET void NAME(find_live)(const Rule *rule, LaneRule *own)
{
    int32_t *restrict live = own->x_live;
    const int32_t *restrict x1 = own->x[0], *restrict x2 = own->x[1];
    const int32_t *restrict event = own->x_event, all = !rule->skips;
    for (int64_t k = 0; k < rule->pre_size; k++) live[k] = (all | x1[k] | x2[k] | event[k]) != 0;
    int32_t *list = own->live_list;
    for (int64_t k = 0; k < rule->pre_size; k++) {
        *list = (int32_t)k; /* the list has room for one more */
        list += live[k];
    }
    own->live_count = list - own->live_list;
}
