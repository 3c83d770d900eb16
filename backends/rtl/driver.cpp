// The C interface of a compiled core; the generated circuit comes before this text, and
// SL_MEMORIES lists its memories, SL_SELECT is 1 for a mesh of cores, SL_INPUT_PLACES and SL_OUTPUT_PLACES say where the fields of the
// streams' payloads are. All numbers are 64-bit so that NumPy arrays can be handed over.

#include <initializer_list>
#include <new>

namespace {

// Where a field is in a payload: its lowest bit and its width.
struct Place {
    int64_t low, width;

    uint64_t ones() const { return ~uint64_t(0) >> (64 - width); }
};

uint64_t put(const int64_t *fields, std::initializer_list<Place> places) {
    uint64_t payload = 0;
    for (auto place : places)
        payload |= (static_cast<uint64_t>(*fields++) & place.ones()) << place.low;
    return payload;
}

void take(uint64_t payload, int64_t *fields, std::initializer_list<Place> places) {
    for (auto place : places)
        *fields++ = static_cast<int64_t>(payload >> place.low & place.ones());
}

Circuit &circuit(void *device) { return *static_cast<Circuit *>(device); }

// Show an access on the bus. On a mesh the core's number stands above the address' 32 bits.
void ask(Circuit &core, bool write, int64_t address, int64_t data) {
    core.bus__valid = 1;
    core.bus__write = write;
    core.bus__address = static_cast<uint32_t>(address);
    core.bus__data = static_cast<uint32_t>(data);
#if SL_SELECT
    core.select = static_cast<decltype(core.select)>(address >> 32);
#endif
}

}  // namespace

extern "C" {

void *sl_create() { return new (std::nothrow) Circuit; }

void sl_destroy(void *device) { delete static_cast<Circuit *>(device); }

// The first word of memory `number`, whose entries take one word each, `stride` words apart.
uint32_t *sl_memory(void *device, int64_t number, int64_t *stride) {
    auto &core = circuit(device);
    switch (number) {
#define SL_MEMORY(NUMBER, NAME, LANE, LANES) \
    case NUMBER: \
        static_assert(sizeof(core.NAME[0]) == 4, "an entry is one word"); \
        *stride = LANES; \
        return reinterpret_cast<uint32_t *>(&core.NAME[LANE]);
        SL_MEMORIES
#undef SL_MEMORY
    }
    return nullptr;
}

// One access on the bus; returns the word that was read, or -1 if `limit` cycles were not enough.
int64_t sl_bus(void *device, int64_t write, int64_t address, int64_t data, int64_t limit) {
    auto &core = circuit(device);
    ask(core, write != 0, address, data);
    bool taken = false;
    int64_t result = -1;
    for (int64_t i = 0; i < limit; i++) {
        step(core);
        if (taken && core.bus__done) {
            result = core.bus__read;
            break;
        }
        if (core.bus__ready) {
            taken = true;
            core.bus__valid = 0;
        }
    }
    core.bus__valid = 0;
    return result;
}

// Cycles from one chance to take output to the next; 1 unless a test wants a slow host.
int64_t reads_every = 1;

// Write `ends` to the register at `address`, which starts so many steps, and let the clock run
// until they have ended. The input is offered from the beginning, so that no step waits for it.
// `input` holds `given` triples (kind, index, value), `output` takes triples (kind, group, data);
// both counts come back through `counts`, with the number of cycles that passed. Returns the steps
// that ended before `limit` cycles.
int64_t sl_run(void *device, const int64_t *input, int64_t given, int64_t *output,
               int64_t capacity, int64_t address, int64_t ends, int64_t limit, int64_t *counts) {
    auto &core = circuit(device);
    int64_t used = 0, made = 0, ended = 0, cycles = 0;
    bool fresh = true;
    ask(core, true, address, ends);
    for (; ended < ends && cycles < limit && made < capacity; cycles++) {
        if (fresh) {
            core.input__valid = used < given;
            if (used < given) core.input__payload = put(input + 3 * used, SL_INPUT_PLACES);
            fresh = false;
        }
        core.output__ready = cycles % reads_every == 0;
        step(core);
        if (core.bus__ready) core.bus__valid = 0;
        if (used < given && core.input__ready) {
            used++;
            fresh = true;
        }
        if (core.output__valid && core.output__ready) {
            int64_t *out = output + 3 * made++;
            take(core.output__payload, out, SL_OUTPUT_PLACES);
            ended += out[0] == SL_OUTPUT_END;
        }
    }
    core.bus__valid = 0;
    core.output__ready = 0;
    core.input__valid = 0;
    counts[0] = used;
    counts[1] = made;
    counts[2] = cycles;
    return ended;
}

}  // extern "C"
