// The C interface of a compiled core; the generated design is included before this text, and
// SL_MEMORIES lists its memories, SL_INPUT_PLACES and SL_OUTPUT_PLACES say where the fields of the
// streams' payloads are. All numbers are 64-bit so that NumPy arrays can be handed over.

namespace {

struct Device {
    cxxrtl_design::p_core core;

    // One clock cycle in one evaluation: told that the clock has just risen, the design computes
    // what is combinational and what its registers take next; `look` sees the outputs of before.
    template <typename Look> void cycle(Look look) {
        core.prev_p_clk = cxxrtl::value<1>{0u};
        core.p_clk = cxxrtl::value<1>{1u};
        core.eval(nullptr);
        look();
        core.commit();
    }
};

// Where a field is in a payload: its lowest bit and its width.
struct Place {
    int64_t low, width;
};

// Fields of up to 64 bits into and out of a payload's 32-bit chunks.
template <size_t Chunks>
void put(uint32_t (&payload)[Chunks], const int64_t *fields, std::initializer_list<Place> places) {
    for (auto &chunk : payload) chunk = 0;
    for (auto place : places) {
        uint64_t field = static_cast<uint64_t>(*fields++);
        for (int64_t i = 0; i < place.width; i++)
            payload[(place.low + i) / 32] |= uint32_t(field >> i & 1) << (place.low + i) % 32;
    }
}

template <size_t Chunks>
void take(const uint32_t (&payload)[Chunks], int64_t *fields, std::initializer_list<Place> places) {
    for (auto place : places) {
        uint64_t field = 0;
        for (int64_t i = 0; i < place.width; i++)
            field |= uint64_t(payload[(place.low + i) / 32] >> (place.low + i) % 32 & 1) << i;
        *fields++ = static_cast<int64_t>(field);
    }
}

}  // namespace

extern "C" {

void *sl_create() { return new Device; }

void sl_destroy(void *device) { delete static_cast<Device *>(device); }

// The words of memory `number`, whose entries take one word each.
uint32_t *sl_memory(void *device, int64_t number) {
    auto &core = static_cast<Device *>(device)->core;
    switch (number) {
#define SL_MEMORY(NUMBER, NAME) \
    case NUMBER: \
        static_assert(sizeof(core.NAME.data[0]) == 4, "an entry is one word"); \
        return reinterpret_cast<uint32_t *>(&core.NAME.data[0]);
        SL_MEMORIES
#undef SL_MEMORY
    }
    return nullptr;
}

// One access on the bus; returns the word that was read, or -1 if `limit` cycles were not enough.
int64_t sl_bus(void *device, int64_t write, int64_t address, int64_t data, int64_t limit) {
    auto &self = *static_cast<Device *>(device);
    auto &core = self.core;
    core.p_bus____valid.set<bool>(true);
    core.p_bus____write.set<bool>(write != 0);
    core.p_bus____address.set<uint32_t>(static_cast<uint32_t>(address));
    core.p_bus____data.set<uint32_t>(static_cast<uint32_t>(data));
    bool taken = false, done = false;
    int64_t result = -1;
    for (int64_t i = 0; i < limit && !done; i++) {
        bool ready = false;
        self.cycle([&] {
            ready = core.p_bus____ready.get<bool>();
            if (taken && core.p_bus____done.get<bool>()) {
                done = true;
                result = core.p_bus____read.get<uint32_t>();
            }
        });
        if (ready && !taken) {
            taken = true;
            core.p_bus____valid.set<bool>(false);
        }
    }
    core.p_bus____valid.set<bool>(false);
    return result;
}

// Write `ends` to the register at `address`, which starts so many steps, and let the clock run until
// they have ended. The input is offered from the beginning, so that no step waits for it. `input` holds `given` triples (kind, index,
// value), `output` takes triples (kind, group, data); both counts come back through `counts`,
// with the number of cycles that passed. Returns the steps that ended before `limit` cycles.
int64_t sl_run(void *device, const int64_t *input, int64_t given, int64_t *output,
               int64_t capacity, int64_t address, int64_t ends, int64_t limit, int64_t *counts) {
    auto &self = *static_cast<Device *>(device);
    auto &core = self.core;
    int64_t used = 0, made = 0, ended = 0, cycles = 0;
    bool fresh = true;
    core.p_output____ready.set<bool>(true);
    core.p_bus____valid.set<bool>(true);
    core.p_bus____write.set<bool>(true);
    core.p_bus____address.set<uint32_t>(static_cast<uint32_t>(address));
    core.p_bus____data.set<uint32_t>(static_cast<uint32_t>(ends));
    for (; ended < ends && cycles < limit && made < capacity; cycles++) {
        if (fresh) {
            core.p_input____valid.set<bool>(used < given);
            if (used < given) {
                put(core.p_input____payload.data, input + 3 * used, SL_INPUT_PLACES);
            }
            fresh = false;
        }
        bool started = false;
        self.cycle([&] {
            started = core.p_bus____ready.get<bool>();
            if (used < given && core.p_input____ready.get<bool>()) {
                used++;
                fresh = true;
            }
            if (core.p_output____valid.get<bool>()) {
                int64_t *out = output + 3 * made++;
                take(core.p_output____payload.curr.data, out, SL_OUTPUT_PLACES);
                ended += out[0] == SL_OUTPUT_END;
            }
        });
        if (started) core.p_bus____valid.set<bool>(false);
    }
    core.p_bus____valid.set<bool>(false);
    core.p_output____ready.set<bool>(false);
    core.p_input____valid.set<bool>(false);
    counts[0] = used;
    counts[1] = made;
    counts[2] = cycles;
    return ended;
}

}  // extern "C"
