/* The Internet checksum in C: the reference for bench/checksum.ts. The compiler vectorises the loops over 32-bit words.
 *
 * usage: checksum --paired   one round per "go sum|copy BYTES REPEATS" line on stdin, one JSON line each */
#include "paired.h"

enum { LONGEST = 65536, SAMPLES = 400 };

static uint32_t source[LONGEST / 4], target[LONGEST / 4];
static volatile uint32_t sink;

static uint32_t fold(uint64_t total) {
    while (total >> 16) total = (total & 0xffff) + (total >> 16);
    return (uint32_t)total;
}

static __attribute__((noinline)) uint32_t sum(const uint32_t *from, unsigned words) {
    uint64_t total = 0;
    for (unsigned i = 0; i < words; i++) total += from[i];
    return fold(total);
}

static __attribute__((noinline)) uint32_t copy(const uint32_t *restrict from, uint32_t *restrict to, unsigned words) {
    uint64_t total = 0;
    for (unsigned i = 0; i < words; i++) total += to[i] = from[i];
    return fold(total);
}

/*
 * Prints ns per call: the best and the median of samples of `repeats` calls each. `result` is the checksum, which must
 * equal that of the TypeScript round.
 */
static int round_of(const char *name, unsigned bytes, unsigned repeats) {
    static uint64_t sample[SAMPLES];
    int copies = strcmp(name, "copy") == 0;
    if ((!copies && strcmp(name, "sum") != 0) || bytes > LONGEST || bytes % 4 || bytes == 0 || repeats == 0) {
        fprintf(stderr, "invalid round \"%s %u %u\": use sum or copy, and a multiple of 4 up to %d bytes\n", name,
                bytes, repeats, LONGEST);
        return 2;
    }
    for (unsigned s = 0; s < SAMPLES; s++) {
        uint64_t start = now_ns();
        for (unsigned i = 0; i < repeats; i++)
            sink = copies ? copy(source, target, bytes / 4) : sum(source, bytes / 4);
        sample[s] = now_ns() - start;
    }
    sort_samples(sample, SAMPLES);
    uint32_t result = sink;
    printf("{\"best\":%.3f,\"median\":%.3f,\"result\":%u}\n", (double)sample[0] / repeats,
           (double)sample[SAMPLES / 2] / repeats, (result & 0xff) << 8 | result >> 8);
    return 0;
}

int main(int argc, char **argv) {
    if (argc != 2 || strcmp(argv[1], "--paired") != 0) {
        fprintf(stderr, "usage: checksum --paired\n");
        return 2;
    }
    for (uint32_t i = 0; i < LONGEST / 4; i++) source[i] = i * 0x9e3779b1u + 0x12345678u;
    return serve_rounds(round_of);
}
