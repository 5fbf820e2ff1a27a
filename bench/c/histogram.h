/* A histogram of times in ns. Times below 2 µs are exact, longer ones are within 0.1 percent. */
#ifndef HISTOGRAM_H
#define HISTOGRAM_H

#include <stdint.h>
#include <string.h>

enum { FINE_BITS = 11, FINE = 1 << FINE_BITS, OCTAVES = 30, BINS = FINE + OCTAVES * FINE / 2 };

struct histogram {
    uint32_t count[BINS];
    uint64_t total, max;
};

static inline unsigned bin_of(uint64_t ns) {
    if (ns < FINE) return (unsigned)ns;
    unsigned octave = 64 - FINE_BITS - (unsigned)__builtin_clzll(ns); /* 1 for times from 2.048 to 4.095 µs */
    unsigned bin = FINE + (octave - 1) * (FINE / 2) + (unsigned)(ns >> octave) - FINE / 2;
    return bin < BINS ? bin : BINS - 1;
}

/* The largest time in ns that this bin counts. */
static inline uint64_t bound_of(unsigned bin) {
    if (bin < FINE) return bin;
    unsigned octave = (bin - FINE) / (FINE / 2) + 1, place = (bin - FINE) % (FINE / 2) + FINE / 2;
    return ((uint64_t)place + 1) * (1ull << octave) - 1;
}

static inline void record(struct histogram *h, uint64_t ns) {
    h->count[bin_of(ns)]++;
    h->total++;
    if (ns > h->max) h->max = ns;
}

static inline void add(struct histogram *sum, const struct histogram *h) {
    for (unsigned i = 0; i < BINS; i++) sum->count[i] += h->count[i];
    sum->total += h->total;
    if (h->max > sum->max) sum->max = h->max;
}

/* A percentile in ns. With a `share` of 0.99, this is the time that 99 percent of the samples do not exceed. */
static inline uint64_t percentile_of(const struct histogram *h, double share) {
    uint64_t wanted = (uint64_t)(share * (double)h->total + 0.5), seen = 0;
    if (wanted == 0) wanted = 1;
    for (unsigned i = 0; i < BINS; i++) {
        seen += h->count[i];
        if (seen >= wanted) return bound_of(i) < h->max ? bound_of(i) : h->max;
    }
    return h->max;
}

#endif
