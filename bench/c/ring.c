/* The ring hot path in C in one thread: the reference for bench/ring.ts. The drivers are those of rings.h.
 *
 * The "device" is a function that runs between the timed parts, so only driver time is counted.
 *
 * usage: ring            every variant and batch, one JSON line each
 *        ring --paired   one round per "go VARIANT BATCH PASSES" line on stdin, one JSON line each
 */
#define SLOTS 256
#include "bursts.h"
#include "careful.h"
#include "minimal.h"
#include "paired.h"

#include <sys/mman.h>

enum { FRAME = 64, MAX_PASSES = 1 << 16 };

/*
 * The device, for the whole ring at once: completes all sent frames, and fills every posted buffer with a 64-byte
 * frame.
 */
static __attribute__((noinline)) void device(void) {
    for (uint32_t i = 0; i < SLOTS; i++) {
        tx[i].opts1 &= ~OWN;
        rx[i].opts1 = FS | LS | end_of_ring(i) | (FRAME + FCS);
    }
}

static void fill_buffers(void) {
    for (uint32_t i = 0; i < BUFFERS; i++)
        for (uint32_t j = 0; j < FRAME; j++) arena[i * BUFFER + j] = (uint8_t)(j < 6 ? 0xd0 + j : j < 12 ? 0x50 + j : j);
}

static int is_intact(void) {
    for (uint32_t i = 0; i < BUFFERS; i++) {
        const uint8_t *f = arena + i * BUFFER;
        for (uint32_t j = 0; j < 6; j++) {
            int forth = f[j] == 0xd0 + j && f[6 + j] == 0x56 + j, back = f[j] == 0x56 + j && f[6 + j] == 0xd0 + j;
            if (!forth && !back) return 0;
        }
    }
    return dropped == 0;
}

typedef unsigned (*forward_fn)(unsigned budget);

static forward_fn variant_named(const char *name) {
    if (strcmp(name, "minimal") == 0) return forward_minimal;
    if (strcmp(name, "careful") == 0) return forward_careful;
    if (strcmp(name, "bursts") == 0) return forward_bursts;
    return NULL;
}

/*
 * One round: moves a full ring of frames `passes` times, in bursts of `batch`. Prints ns per frame of the best and of
 * the median pass.
 */
static int round_of(const char *name, unsigned batch, unsigned passes) {
    static uint64_t sample[MAX_PASSES];
    forward_fn forward = variant_named(name);
    if (!forward || batch < 1 || batch > SLOTS || SLOTS % batch || passes < 1 || passes > MAX_PASSES) {
        fprintf(stderr, "invalid round \"%s %u %u\": use minimal, careful or bursts, a batch that divides %d, 1 to %d passes\n",
                name, batch, passes, SLOTS, MAX_PASSES);
        return 2;
    }
    bring_up();
    fill_buffers();
    bring_up_bursts();
    for (unsigned pass = 0; pass < passes; pass++) {
        device();
        unsigned frames = 0;
        uint64_t start = now_ns();
        for (unsigned i = 0; i < SLOTS / batch; i++) frames += forward(batch);
        sample[pass] = now_ns() - start;
        if (frames != SLOTS) {
            fprintf(stderr, "%s, batch %u: %u of %d frames came through\n", name, batch, frames, SLOTS);
            return 1;
        }
    }
    if (!is_intact()) {
        fprintf(stderr, "%s, batch %u: a frame was damaged or dropped\n", name, batch);
        return 1;
    }
    sort_samples(sample, passes);
    printf("{\"variant\":\"%s\",\"batch\":%u,\"frames\":%u,\"best\":%.3f,\"median\":%.3f}\n", name, batch, passes * SLOTS,
           (double)sample[0] / SLOTS, (double)sample[passes / 2] / SLOTS);
    return 0;
}

static int every_round(void) {
    static const char *const variants[] = {"minimal", "careful", "bursts"};
    static const unsigned batches[] = {1, 8, 32, 256};
    for (unsigned v = 0; v < 3; v++)
        for (unsigned b = 0; b < 4; b++) {
            int code = round_of(variants[v], batches[b], 20000);
            if (code != 0) return code;
        }
    return 0;
}

int main(int argc, char **argv) {
    static volatile uint8_t poll;
    doorbell = &poll;
    size_t ring = SLOTS * sizeof(struct descriptor), bytes = 2 * ring + BUFFERS * BUFFER;
    uint8_t *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (memory == MAP_FAILED) {
        perror("mmap");
        return 1;
    }
    rx = (struct descriptor *)memory;
    tx = (struct descriptor *)(memory + ring);
    arena = memory + 2 * ring;
    if (argc == 1) return every_round();
    if (argc == 2 && strcmp(argv[1], "--paired") == 0) return serve_rounds(round_of);
    fprintf(stderr, "usage: ring [--paired]\n");
    return 2;
}
