/* Laying out a Program's synapse memory as streams: per thread and source one run of blocks.
 *
 * Called twice: the first time, without streams, it measures; the second time it fills. The order
 * of synapses is free, so they are sorted by where they land: receptor, delay, target. */

#include "kernel.h"

#include <stdlib.h>
#include <string.h>

/* One sparse synapse on its way: `key` says which block it belongs to, `word` is what is stored.
 * key = middle << 27 | receptor << 26 | exponent << 22 | delay << 16 | target >> 16 if middle */
typedef struct {
    uint32_t key, word;
} Entry;

typedef struct {
    Entry *entry, *other; /* `other` is the sort's second half */
    int64_t count, room;
    uint64_t words; /* written (or measured) so far */
} Heap;

typedef struct {
    uint8_t kind, receptor, exponent, delay;
    uint16_t base;
    int32_t count;
    int64_t offset;
} Row;

static Row read_row(const uint8_t *bytes)
{
    Row row = {bytes[0], bytes[1], bytes[2], bytes[3], 0, 0, 0};
    memcpy(&row.base, bytes + 4, 2);
    memcpy(&row.count, bytes + 6, 4);
    memcpy(&row.offset, bytes + 10, 8);
    return row;
}

static int32_t weight_at(const void *weights, int64_t bytes, int64_t index)
{
    return bytes == 1 ? ((const int8_t *)weights)[index] : ((const int16_t *)weights)[index];
}

static uint32_t header(uint32_t kind, const Row *row, uint32_t delay, uint32_t count)
{
    return kind << 29 | (uint32_t)row->receptor << 28 | (uint32_t)row->exponent << 24 |
           delay << 18 | count;
}

static int grow(Heap *heap, int64_t more)
{
    if (heap->count + more <= heap->room) return 0;
    int64_t room = 2 * (heap->count + more);
    Entry *entry = realloc(heap->entry, (size_t)room * sizeof *entry);
    if (!entry) return -1;
    heap->entry = entry;
    Entry *other = realloc(heap->other, (size_t)room * sizeof *other);
    if (!other) return -1;
    heap->other = other;
    heap->room = room;
    return 0;
}

/* What a source with one synapse does, for the recognition of one-to-one drives. */
static void note_single(int32_t *single, int64_t target, int32_t weight, const Row *row,
                        int32_t delay)
{
    single[0] = (int32_t)target;
    single[1] = weight * (int32_t)(1u << row->exponent);
    single[2] = delay * 2 + row->receptor;
}

static int take_sparse(const Layout *l, const CoreMemory *core, const Row *row, Heap *heaps,
                       int32_t *single)
{
    for (int64_t t = 0; t < l->threads; t++)
        if (grow(heaps + t, row->count)) return -1;
    for (int64_t k = row->offset; k < row->offset + row->count; k++) {
        uint32_t target = (uint32_t)(core->first_neuron + core->sparse_target[k]);
        int32_t weight = weight_at(core->sparse_weight, core->sparse_bytes, k);
        Heap *heap = heaps + l->thread_of[target];
        uint32_t key = (uint32_t)row->receptor << 26 | (uint32_t)row->exponent << 22 |
                       (uint32_t)core->sparse_delay[k] << 16;
        Entry *entry = heap->entry + heap->count++;
        if (weight >= -128 && weight <= 127 && target < 1u << 24) {
            *entry = (Entry){key, target << 8 | (uint8_t)weight};
        } else {
            *entry = (Entry){1u << 27 | key | target >> 16, target << 16 | (uint16_t)weight};
        }
        if (single) note_single(single, target, weight, row, core->sparse_delay[k]);
    }
    return 0;
}

/* The part of a dense row that falls to one thread. */
static void put_dense(const CoreMemory *core, const Row *row, int64_t skip, int64_t count,
                      Heap *heap, uint32_t *stream)
{
    int64_t bytes = core->dense_bytes, words = (count * bytes + 3) / 4;
    if (stream) {
        uint32_t *out = stream + heap->words;
        uint32_t kind = bytes == 1 ? K_DENSE8 : K_DENSE16;
        out[0] = header(kind, row, row->delay, (uint32_t)count);
        out[1] = (uint32_t)(core->first_neuron + row->base + skip);
        out[1 + words] = 0; /* the padding */
        memcpy(out + 2, (const char *)core->dense_weight + (row->offset + skip) * bytes,
               (size_t)(count * bytes));
    }
    heap->words += 2 + (uint64_t)words;
}

static void take_dense(const Layout *l, const CoreMemory *core, const Row *row, Heap *heaps,
                       int32_t *single)
{
    int64_t first = core->first_neuron + row->base, last = first + row->count;
    for (int64_t t = 0; t < l->threads; t++) {
        int64_t low = first > l->range[t] ? first : l->range[t];
        int64_t high = last < l->range[t + 1] ? last : l->range[t + 1];
        if (low < high)
            put_dense(core, row, low - first, high - low, heaps + t,
                      l->stream ? l->stream[t] : NULL);
    }
    if (single && row->count)
        note_single(single, first, weight_at(core->dense_weight, core->dense_bytes, row->offset),
                    row, row->delay);
}

/* Sort by key: by those bytes of the key that are not all alike. */
static void sort(Heap *heap)
{
    uint32_t differ = 0;
    for (int64_t k = 1; k < heap->count; k++) differ |= heap->entry[k].key ^ heap->entry[0].key;
    for (int shift = 0; shift < 32; shift += 8) {
        if (!(differ >> shift & 255)) continue;
        int64_t start[257] = {0};
        for (int64_t k = 0; k < heap->count; k++) start[(heap->entry[k].key >> shift & 255) + 1]++;
        for (int b = 0; b < 256; b++) start[b + 1] += start[b];
        for (int64_t k = 0; k < heap->count; k++)
            heap->other[start[heap->entry[k].key >> shift & 255]++] = heap->entry[k];
        Entry *sorted = heap->other;
        heap->other = heap->entry;
        heap->entry = sorted;
    }
}

static void put(Heap *heap, uint32_t *stream, uint32_t word)
{
    if (stream) stream[heap->words] = word;
    heap->words++;
}

static uint32_t block_header(uint32_t kind, uint32_t key, uint32_t count)
{
    Row row = {.receptor = key >> 26 & 1, .exponent = key >> 22 & 15};
    return header(kind, &row, kind == K_SPREAD ? 0 : key >> 16 & 63, count);
}

/* One block: the entries from `k`, at most MAX_COUNT, whose keys agree but for `free` bits. */
static int64_t put_block(Heap *heap, uint32_t *stream, int64_t k, uint32_t kind, uint32_t free,
                         uint32_t first)
{
    uint32_t key = heap->entry[k].key;
    int64_t end = k + 1;
    while (end < heap->count && end - k < (int64_t)MAX_COUNT &&
           !((heap->entry[end].key ^ key) & ~free))
        end++;
    put(heap, stream, block_header(kind, key, (uint32_t)(end - k)));
    if (kind == K_MIDDLE) put(heap, stream, (key & 0xffff) << 16);
    for (; k < end; k++) {
        uint32_t word = heap->entry[k].word;
        if (kind == K_SPREAD)
            word = (heap->entry[k].key >> 16 & 63) << 26 | ((word >> 8) - first) << 8 | (word & 255);
        put(heap, stream, word);
    }
    return end;
}

/* The sparse synapses of one source and thread. Many delays with few synapses each would make
 * short blocks, so then every synapse carries its own delay. */
static void flush(const Layout *l, int64_t thread, Heap *heap, uint32_t *stream)
{
    sort(heap);
    int64_t narrow = 0, groups = 0;
    while (narrow < heap->count && !(heap->entry[narrow].key >> 27)) {
        groups += !narrow || heap->entry[narrow].key != heap->entry[narrow - 1].key;
        narrow++;
    }
    int64_t targets = l->range[thread + 1] - l->range[thread];
    int spread = groups > 1 && narrow < 12 * groups && targets <= SPREAD_TARGETS;
    uint32_t first = (uint32_t)l->range[thread];
    for (int64_t k = 0; k < heap->count;) {
        uint32_t kind = k >= narrow ? K_MIDDLE : spread ? K_SPREAD : K_NARROW;
        k = put_block(heap, stream, k, kind, kind == K_SPREAD ? 63u << 16 : 0, first);
    }
    heap->count = 0;
}

static int take_source(const Layout *l, int64_t source, Heap *heaps)
{
    l->events[source] = 0;
    for (int64_t d = l->destination_start[source]; d < l->destination_start[source + 1]; d++) {
        const CoreMemory *core = l->cores + l->destination_core[d];
        int32_t axon = l->destination_axon[d];
        for (int32_t r = core->axon_start[axon]; r < core->axon_start[axon + 1]; r++) {
            Row row = read_row(core->rows + (int64_t)r * ROW_BYTES);
            int32_t *single = l->single ? l->single + 3 * source : NULL;
            l->events[source] += row.count;
            if (row.kind) take_dense(l, core, &row, heaps, single);
            else if (take_sparse(l, core, &row, heaps, single)) return -1;
        }
    }
    for (int64_t t = 0; t < l->threads; t++)
        flush(l, t, heaps + t, l->stream ? l->stream[t] : NULL);
    return 0;
}

int64_t sl_layout(const Layout *l)
{
    Heap *heaps = calloc((size_t)l->threads, sizeof *heaps);
    int failed = !heaps;
    for (int64_t s = 0; s < l->sources && !failed; s++) {
        for (int64_t t = 0; t < l->threads; t++) l->row[t][s] = heaps[t].words;
        failed = take_source(l, s, heaps);
    }
    for (int64_t t = 0; t < l->threads && !failed; t++) l->row[t][l->sources] = heaps[t].words;
    for (int64_t t = 0; t < l->threads && heaps; t++) {
        free(heaps[t].entry);
        free(heaps[t].other);
    }
    free(heaps);
    return failed ? -1 : 0;
}
