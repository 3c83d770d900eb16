/* What the emulator's C files share beside the structures: compilers' differences, the choice of the
 * instruction set, the machine's random numbers. */

#ifndef SPIKELOOM_COMMON_H
#define SPIKELOOM_COMMON_H

#include "kernel.h"

#if defined(__clang__)
#define INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#elif defined(__GNUC__)
#define INDEPENDENT _Pragma("GCC ivdep")
#else
#define INDEPENDENT
#endif

#if defined(__GNUC__)
#define INLINE static inline __attribute__((always_inline))
#define PREFETCH(p) __builtin_prefetch(p)
#else
#define INLINE static inline
#define PREFETCH(p) ((void)(p))
#endif

#if defined(__GNUC__) && (defined(__x86_64__) || defined(__i386__))
#define HAVE_AVX 1
#if defined(__clang__)
#define AVX512_TARGET "avx512f,avx512bw,avx512dq,avx512vl"
#else
#define AVX512_TARGET "avx512f,avx512bw,avx512dq,avx512vl,prefer-vector-width=512"
#endif
#else
#define HAVE_AVX 0
#endif

enum { PORTABLE, AVX2, AVX512 };

/* The best version of a function that was compiled once per instruction set. */
#if HAVE_AVX
#define CALL(m, f, ...)                                       \
    ((m)->instructions >= AVX512 ? f##_avx512(__VA_ARGS__)    \
     : (m)->instructions >= AVX2 ? f##_avx2(__VA_ARGS__)      \
                                 : f##_portable(__VA_ARGS__))
#else
#define CALL(m, f, ...) f##_portable(__VA_ARGS__)
#endif

static const uint32_t STEP_OFFSET = 0x85EBCA6Bu;

INLINE uint32_t mix(uint32_t x)
{
    x ^= x >> 16;
    x *= 0x7feb352du;
    x ^= x >> 15;
    x *= 0x846ca68bu;
    return x ^ x >> 16;
}

INLINE int32_t clamp(int32_t x, int32_t low, int32_t high)
{
    x = x < low ? low : x;
    return x > high ? high : x;
}

INLINE int32_t choose(int32_t mask, int32_t yes, int32_t no) { return no ^ ((yes ^ no) & mask); }

/* The first of some ascending steps that is not before `step`. */
INLINE int64_t first_at(const uint64_t *steps, int64_t count, uint64_t step)
{
    int64_t low = 0;
    while (low < count) {
        int64_t middle = low + (count - low) / 2;
        if (steps[middle] < step) low = middle + 1;
        else count = middle;
    }
    return low;
}

#endif
