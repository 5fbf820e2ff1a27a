/* The common part of the C halves of the paired benches: the clock, the statistics and the request loop.
 *
 * A TypeScript runner controls the rounds. It writes one request per line and reads one JSON object per line. A C round
 * and a TypeScript round follow each other closely, so a disturbance of the machine affects both, and cancels out in
 * their ratio. */
#ifndef PAIRED_H
#define PAIRED_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static inline uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int compare_u64(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Sorts in place: sample[0] is the best, sample[count / 2] the median. */
static inline void sort_samples(uint64_t *sample, size_t count) {
    qsort(sample, count, sizeof *sample, compare_u64);
}

/* Calls `round` for every "go NAME A B" line until end of file. Returns the exit code. */
static inline int serve_rounds(int (*round)(const char *name, unsigned a, unsigned b)) {
    char line[128], name[32];
    unsigned a, b;
    while (fgets(line, sizeof line, stdin)) {
        if (sscanf(line, "go %31s %u %u", name, &a, &b) != 3) {
            fprintf(stderr, "expected \"go NAME A B\", got: %s", line);
            return 2;
        }
        int code = round(name, a, b);
        if (code != 0) return code;
        fflush(stdout);
    }
    return 0;
}

#endif
