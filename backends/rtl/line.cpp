// A simulated device at its line, with a C interface; the generated circuit comes before this
// text. SL_PINS says whether the line is two UART pins (rx, tx) or byte streams (line_in, line_out).
//
// Bytes for the device wait in a buffer here and go onto the line one after the other; how long
// that takes, and every pause, is counted in clock cycles of the device.

#include <deque>

namespace {

struct Line {
    Circuit top;
    std::deque<uint8_t> waiting;  // for the device
    uint64_t clocks = 0, still = 0, framing = 0;
    double bit;  // clock cycles per bit of the host's clock

    explicit Line(double bit) : bit(bit) {}

    // One clock cycle: outputs follow the inputs and registers, then comes a rising edge.
    void clock() {
        step(top);
        ++clocks;
    }

#if SL_PINS
    // The host's transmitter: bits of the byte on the line, and when the next one is due.
    int bits_left = 0;
    unsigned shift = 0;
    double due = 0;
    // The host's receiver.
    int bit_number = -1;
    double sample = 0;
    unsigned received = 0;

    void set_level(bool level) { top.rx = level; }

    bool send() {
        const double now = double(clocks);
        if (bits_left == 0 && !waiting.empty() && now >= due) {
            shift = waiting.front() << 1 | 0x200;
            waiting.pop_front();
            bits_left = 10;
            if (due < now - 1) due = now;  // the line was idle: this byte starts a new row
        }
        if (bits_left && now >= due) {
            set_level(shift & 1);
            shift >>= 1;
            --bits_left;
            due += bit;
        }
        return bits_left || now < due;
    }

    bool receive(uint8_t *out, long &got) {
        const bool level = top.tx;
        const double now = double(clocks - 1);
        if (bit_number < 0) {
            if (!level) {
                bit_number = 0;
                sample = now + 1.5 * bit;
                received = 0;
            }
            return !level;
        }
        if (now < sample) return true;
        sample += bit;
        if (bit_number < 8) {
            received |= unsigned(level) << bit_number++;
            return true;
        }
        if (level) out[got++] = uint8_t(received);
        else ++framing;
        bit_number = -1;
        return true;
    }

    // One clock cycle; whether anything moved on the line.
    bool cycle(uint8_t *out, long &got) {
        const bool moved = send();
        clock();
        return receive(out, got) | moved;
    }
#else
    void set_level(bool) {}

    bool cycle(uint8_t *out, long &got) {
        const bool offered = !waiting.empty();
        top.line_in__valid = offered;
        if (offered) top.line_in__payload = waiting.front();
        top.line_out__ready = 1;
        clock();
        bool moved = false;
        if (offered && top.line_in__ready) {
            waiting.pop_front();
            moved = true;
        }
        if (top.line_out__valid) {
            out[got++] = uint8_t(top.line_out__payload);
            moved = true;
        }
        return moved;
    }
#endif

    void reset() {
        set_level(true);
        top.rst = 1;
        for (int i = 0; i < 4; ++i) clock();
        top.rst = 0;
    }
};

Line &line(void *model) { return *static_cast<Line *>(model); }

}  // namespace

extern "C" {

void *sl_new(double bit) {
    auto *model = new Line(bit);
    model->reset();
    return model;
}

void sl_free(void *model) { delete static_cast<Line *>(model); }

uint64_t sl_clocks(void *model) { return line(model).clocks; }

uint64_t sl_framing(void *model) { return line(model).framing; }

// Bytes that wait for their turn on the line.
uint64_t sl_waiting(void *model) { return line(model).waiting.size(); }

// More bytes for the device, or none: the clock cycles without a movement are counted anew.
void sl_feed(void *model, const uint8_t *in, long count) {
    line(model).still = 0;
    line(model).waiting.insert(line(model).waiting.end(), in, in + count);
}

// Let the clock run until nothing has moved for `quiet` cycles, or nothing has for `pause` while
// there is something in `out`, or `out` is full, or `most` cycles have passed. Returns how many
// bytes came out.
long sl_run(void *model, uint8_t *out, long room, uint64_t quiet, uint64_t pause, uint64_t most) {
    auto &self = line(model);
    const uint64_t end = self.clocks + most;
    long got = 0;
    while (got < room && self.clocks < end) {
        if (self.waiting.empty() && (self.still >= quiet || (got && self.still >= pause))) break;
        self.still = self.cycle(out, got) ? 0 : self.still + 1;
    }
    return got;
}

// From now on the host's bits take so many clock cycles.
void sl_bit(void *model, double bit) { line(model).bit = bit; }

// Hold the line low for so many cycles.
void sl_low(void *model, uint64_t cycles) {
    auto &self = line(model);
    self.set_level(false);
    for (uint64_t i = 0; i < cycles; ++i) self.clock();
    self.set_level(true);
    self.still = 0;
}

}  // extern "C"
