/* Laying out a Program's synapse memory as streams: per thread and source one or more blocks.
 *
 * Called twice: the first time, without streams, it measures; the second time it fills. The order
 * of synapses is free, so they are sorted by where they land: receptor, delay, target. */

#include "kernel.h"

#include <stdlib.h>
#include <string.h>

enum { LEAST_DENSE = 16 };

/* One sparse synapse on its way: `key` says which block it belongs to, `word` is what is stored.
 * key = middle << 27 | receptor << 26 | exponent << 22 | delay << 16 | target >> 16 if middle */
typedef struct {
    uint32_t key, word;
} Entry;

typedef struct {
    Entry *entry, *other; /* `other` is the sort's second half */
    int64_t count, room;
    Block *block; /* of the present source */
    int64_t blocks, block_room;
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

static uint32_t header(uint32_t kind, uint32_t exponent, uint32_t receptor, uint32_t delay,
                       int64_t count)
{
    return kind << 29 | exponent << 25 | receptor << 24 | delay << 18 | (uint32_t)count;
}

static void put(Heap *heap, uint32_t *stream, uint32_t word)
{
    if (stream) stream[heap->words] = word;
    heap->words++;
}

static void fill_chunk(Heap *heap, uint32_t *stream)
{
    while (heap->words % CHUNK) put(heap, stream, 0);
}

/* One more block of the present source. */
static int add_block(Heap *heap, uint32_t at, uint32_t head)
{
    if (heap->blocks == heap->block_room) {
        int64_t room = 2 * heap->block_room + 16;
        Block *block = realloc(heap->block, (size_t)room * sizeof *block);
        if (!block) return -1;
        heap->block = block;
        heap->block_room = room;
    }
    heap->block[heap->blocks++] = (Block){at, head};
    return 0;
}

/* A block that begins where the stream ends now. */
static int begin_block(Heap *heap, uint32_t head)
{
    if (heap->words / CHUNK > UINT32_MAX) return -1;
    return add_block(heap, (uint32_t)(heap->words / CHUNK), head);
}

/* What a source with one synapse does, for the recognition of one-to-one drives. */
static void note_single(int32_t *single, int64_t target, int32_t weight, const Row *row,
                        int32_t delay)
{
    single[0] = (int32_t)target;
    single[1] = weight * (int32_t)(1u << row->exponent);
    single[2] = delay * 2 + row->receptor;
}

/* A synapse on its way into a block; the heap has room for it. */
static void add_entry(Heap *heap, const Row *row, uint32_t delay, uint32_t target, int32_t weight)
{
    uint32_t key = (uint32_t)row->receptor << 26 | (uint32_t)row->exponent << 22 | delay << 16;
    Entry *entry = heap->entry + heap->count++;
    if (weight >= -128 && weight <= 127 && target < 1u << 24) {
        *entry = (Entry){key, target << 8 | (uint8_t)weight};
    } else {
        *entry = (Entry){1u << 27 | key | target >> 16, target << 16 | (uint16_t)weight};
    }
}

static int take_sparse(const Layout *l, const CoreMemory *core, const Row *row, Heap *heaps,
                       int32_t *single)
{
    for (int64_t t = 0; t < l->threads; t++)
        if (grow(heaps + t, row->count)) return -1;
    for (int64_t k = row->offset; k < row->offset + row->count; k++) {
        uint32_t target = (uint32_t)(core->first_neuron + core->sparse_target[k]);
        int32_t weight = weight_at(core->sparse_weight, core->sparse_bytes, k);
        add_entry(heaps + l->thread_of[target], row, core->sparse_delay[k], target, weight);
        if (single) note_single(single, target, weight, row, core->sparse_delay[k]);
    }
    return 0;
}

/* The part of a dense row that falls to one thread. A short one goes with the sparse synapses. */
static int put_dense(const CoreMemory *core, const Row *row, int64_t skip, int64_t count,
                     Heap *heap, uint32_t *stream)
{
    int64_t bytes = core->dense_bytes;
    uint32_t first = (uint32_t)(core->first_neuron + row->base + skip);
    if (count < LEAST_DENSE) {
        if (grow(heap, count)) return -1;
        for (int64_t k = 0; k < count; k++)
            add_entry(heap, row, row->delay, first + (uint32_t)k,
                      weight_at(core->dense_weight, bytes, row->offset + skip + k));
        return 0;
    }
    uint32_t kind = bytes == 1 ? K_DENSE8 : K_DENSE16;
    if (begin_block(heap, header(kind, row->exponent, row->receptor, row->delay, count))) return -1;
    put(heap, stream, first);
    uint64_t words = (uint64_t)(count * bytes + 3) / 4;
    if (stream) {
        stream[heap->words + words - 1] = 0; /* which the weights may fill only in part */
        memcpy(stream + heap->words, (const char *)core->dense_weight + (row->offset + skip) * bytes,
               (size_t)(count * bytes));
    }
    heap->words += words;
    fill_chunk(heap, stream);
    return 0;
}

static int take_dense(const Layout *l, const CoreMemory *core, const Row *row, Heap *heaps,
                      int32_t *single)
{
    int64_t first = core->first_neuron + row->base, last = first + row->count;
    for (int64_t t = 0; t < l->threads; t++) {
        int64_t low = first > l->range[t] ? first : l->range[t];
        int64_t high = last < l->range[t + 1] ? last : l->range[t + 1];
        if (low < high && put_dense(core, row, low - first, high - low, heaps + t,
                                    l->stream ? l->stream[t] : NULL))
            return -1;
    }
    if (single && row->count)
        note_single(single, first, weight_at(core->dense_weight, core->dense_bytes, row->offset),
                    row, row->delay);
    return 0;
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

static uint32_t block_header(uint32_t kind, uint32_t key, int64_t count)
{
    return header(kind, key >> 22 & 15, key >> 26 & 1, kind == K_SPREAD ? 0 : key >> 16 & 63, count);
}

/* What is stored of an entry; `first` is the thread's first target. */
static uint32_t word_of(const Entry *entry, uint32_t kind, uint32_t first)
{
    if (kind != K_SPREAD) return entry->word;
    return (entry->key >> 16 & 63) << 26 | ((entry->word >> 8) - first) << 8 | (entry->word & 255);
}

/* One block: the entries from `k`, at most MAX_COUNT, whose keys agree but for `free` bits.
 * Returns the entry after it, or -1. */
static int64_t put_block(Heap *heap, uint32_t *stream, int64_t k, uint32_t kind, uint32_t free,
                         uint32_t first)
{
    const Entry *entry = heap->entry + k;
    int64_t count = 1;
    while (k + count < heap->count && count < (int64_t)MAX_COUNT &&
           !((entry[count].key ^ entry->key) & ~free))
        count++;
    if (kind == K_NARROW && count == 1)
        return add_block(heap, entry->word, block_header(K_ONE, entry->key, 1)) ? -1 : k + 1;
    if (begin_block(heap, block_header(kind, entry->key, count))) return -1;
    if (kind == K_MIDDLE) put(heap, stream, (entry->key & 0xffff) << 16);
    for (int64_t i = 0; i < count; i++) put(heap, stream, word_of(entry + i, kind, first));
    /* Weight 0 for the block's own targets: different ones, so that no addition awaits another. */
    for (int64_t i = 0; kind != K_MIDDLE && heap->words % CHUNK; i++)
        put(heap, stream, word_of(entry + i % count, kind, first) & ~255u);
    fill_chunk(heap, stream);
    return k + count;
}

/* The sparse synapses of one source and thread. Many delays with few synapses each would make
 * short blocks, so then every synapse carries its own delay. */
static int flush(const Layout *l, int64_t thread, Heap *heap, uint32_t *stream)
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
    for (int64_t k = 0; k >= 0 && k < heap->count;) {
        uint32_t kind = k >= narrow ? K_MIDDLE : spread ? K_SPREAD : K_NARROW;
        k = put_block(heap, stream, k, kind, kind == K_SPREAD ? 63u << 16 : 0, first);
        if (k < 0) return -1;
    }
    heap->count = 0;
    return 0;
}

/* All blocks of the present source as one: the only one, or a list of them. */
static int join_blocks(Heap *heap, uint32_t *stream, Block *joined)
{
    int64_t blocks = heap->blocks;
    heap->blocks = 0;
    *joined = (Block){0, header(K_NARROW, 0, 0, 0, 0)};
    if (blocks == 1) *joined = heap->block[0];
    if (blocks < 2) return 0;
    if (blocks > (int64_t)MAX_LIST || heap->words / CHUNK > UINT32_MAX) return -1;
    *joined = (Block){(uint32_t)(heap->words / CHUNK), header(K_LIST, 0, 0, 0, blocks)};
    for (int64_t k = 0; k < blocks; k++) {
        put(heap, stream, heap->block[k].at);
        put(heap, stream, heap->block[k].head);
    }
    fill_chunk(heap, stream);
    return 0;
}

/* A plastic row group stays where it is: weights change. */
static int put_plastic(const Layout *l, int32_t part, Heap *heaps)
{
    for (int64_t t = 0; t < l->threads; t++)
        if (add_block(heaps + t, (uint32_t)part, header(K_PLASTIC, 0, 0, 0, 1))) return -1;
    return 0;
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
            if (core->plastic && core->plastic[r] >= 0) {
                if (put_plastic(l, core->plastic[r], heaps)) return -1;
                continue;
            }
            if (row.kind ? take_dense(l, core, &row, heaps, single)
                         : take_sparse(l, core, &row, heaps, single))
                return -1;
        }
    }
    for (int64_t t = 0; t < l->threads; t++) {
        uint32_t *stream = l->stream ? l->stream[t] : NULL;
        if (flush(l, t, heaps + t, stream) || join_blocks(heaps + t, stream, l->row[t] + source))
            return -1;
    }
    return 0;
}

int64_t sl_layout(const Layout *l)
{
    Heap *heaps = calloc((size_t)l->threads, sizeof *heaps);
    int failed = !heaps;
    for (int64_t s = 0; s < l->sources && !failed; s++) failed = take_source(l, s, heaps);
    for (int64_t t = 0; t < l->threads && heaps; t++) {
        l->words[t] = (int64_t)heaps[t].words;
        free(heaps[t].entry);
        free(heaps[t].other);
        free(heaps[t].block);
    }
    free(heaps);
    return failed ? -1 : 0;
}
