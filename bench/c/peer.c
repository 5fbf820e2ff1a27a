/* A driver process in C: one of driver.h's variants on memory that it shares with the device process (device.c).
 *
 * usage: peer VARIANT REGION    started by the device; reads a byte from stdin for each window, ends at its end of file */
#include "process.h"

static uint32_t sequence, disorder, sent_length;

static inline void count_in(const uint8_t *frame) {
    uint32_t number;
    memcpy(&number, frame + SEQUENCE_OFFSET, sizeof number);
    disorder += number != sequence;
    sequence = number + 1;
}

static inline void build(uint8_t *frame) {
    const uint64_t low = DESTINATION | SOURCE << 48, high = SOURCE >> 16 | (uint64_t)ETHERTYPE << 32;
    memcpy(frame, &low, 8);
    memcpy(frame + 8, &high, 8);
    memcpy(frame + SEQUENCE_OFFSET, &sequence, sizeof sequence);
    sequence++;
}

static unsigned drop_minimal(unsigned budget) {
    unsigned done = 0;
    uint32_t slot = rx_next;
    for (; done < budget; done++, slot = (slot + 1) & MASK) {
        struct descriptor *r = &rx[slot];
        if (load_opts1(r) & OWN) break;
        count_in((const uint8_t *)(uintptr_t)r->address);
        r->opts2 = 0;
        give(r, OWN | end_of_ring(slot) | BUFFER);
    }
    rx_next = slot;
    return done;
}

static unsigned drop_careful(unsigned budget) {
    unsigned done = 0;
    uint32_t slot = rx_next;
    for (; done < budget; done++, slot = (slot + 1) & MASK) {
        struct descriptor *r = &rx[slot];
        uint32_t opts1 = load_opts1(r);
        if (opts1 & OWN) break;
        if (is_good(opts1)) count_in(arena + rx_buffer[slot]);
        else dropped++;
        r->opts2 = 0;
        r->address = (uint64_t)(uintptr_t)(arena + rx_buffer[slot]);
        give(r, OWN | end_of_ring(slot) | BUFFER);
    }
    rx_next = slot;
    return done;
}

static struct frame burst[SLOTS];
static uint32_t offsets[SLOTS];

static unsigned drop_bursts(unsigned budget) {
    unsigned count = receive(burst, budget);
    for (unsigned i = 0; i < count; i++) {
        count_in(arena + burst[i].offset);
        offsets[i] = burst[i].offset;
    }
    release(offsets, count);
    return count;
}

/* Each slot of the transmit ring holds the buffer that it has sent before. */
static unsigned generate_minimal(unsigned budget) {
    unsigned done = 0;
    uint32_t slot = tx_next;
    for (; done < budget; done++, slot = (slot + 1) & MASK) {
        struct descriptor *t = &tx[slot];
        if (load_opts1(t) & OWN) break;
        build((uint8_t *)(uintptr_t)t->address);
        t->opts2 = 0;
        give(t, OWN | FS | LS | end_of_ring(slot) | sent_length);
    }
    tx_next = slot;
    if (done) *doorbell = POLL_NORMAL;
    return done;
}

static unsigned generate_careful(unsigned budget) {
    unsigned done = 0;
    uint32_t slot = tx_next;
    for (; done < budget; done++, slot = (slot + 1) & MASK) {
        struct descriptor *t = &tx[slot];
        if (load_opts1(t) & OWN) break;
        build(arena + tx_buffer[slot]);
        t->opts2 = 0;
        t->address = (uint64_t)(uintptr_t)(arena + tx_buffer[slot]);
        give(t, OWN | FS | LS | end_of_ring(slot) | sent_length);
    }
    tx_next = slot;
    if (done) *doorbell = POLL_NORMAL;
    return done;
}

static unsigned generate_bursts(unsigned budget) {
    release(offsets, reclaim(offsets, budget));
    unsigned count = budget < spares ? budget : spares;
    for (unsigned i = 0; i < count; i++) {
        uint32_t offset = spare[--spares];
        build(arena + offset);
        burst[i] = (struct frame){offset, sent_length, 0, 0};
    }
    return transmit(burst, count);
}

typedef unsigned (*pass_fn)(unsigned budget);

static const struct variant {
    const char *name;
    pass_fn pass[3]; /* by enum load */
} variants[] = {
    {"minimal", {forward_minimal, drop_minimal, generate_minimal}},
    {"careful", {forward_careful, drop_careful, generate_careful}},
    {"bursts", {forward_bursts, drop_bursts, generate_bursts}},
};

static void serve(const struct variant *variant, struct control *control) {
    while (is_woken()) {
        pass_fn pass = variant->pass[control->load];
        uint32_t batch = control->batch, frames = 0;
        /* `bursts`: what the last window sent has long left. */
        if (variant->pass[FORWARD] == forward_bursts) release(offsets, reclaim(offsets, SLOTS));
        sequence = control->first;
        sent_length = control->bytes;
        disorder = 0;
        set_state(control, DRIVER_RUNNING);
        do {
            for (unsigned i = 0; i < PASSES; i++) frames += pass(batch);
            __atomic_store_n(&control->frames, frames, __ATOMIC_RELAXED);
        } while (!is_stopped(control));
        control->disorder = disorder;
        set_state(control, DRIVER_IDLE);
    }
}

int main(int argc, char **argv) {
    const struct variant *variant = NULL;
    for (unsigned i = 0; argc == 3 && i < sizeof variants / sizeof *variants; i++)
        if (strcmp(argv[1], variants[i].name) == 0) variant = &variants[i];
    if (!variant) {
        fprintf(stderr, "usage: peer minimal|careful|bursts REGION, started by the device\n");
        return 2;
    }
    struct control *control = attach(argv[2]);
    /* The transmit ring's buffers count as sent; the other variants take no such count. */
    if (variant->pass[FORWARD] == forward_bursts) tx_next = SLOTS;
    set_state(control, DRIVER_IDLE);
    serve(variant, control);
    return 0;
}
