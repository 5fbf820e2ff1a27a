/* The driver over bursts, with the interface and the checks of Ferrule's rings: see rings.h. */
#ifndef BURSTS_H
#define BURSTS_H

#include "rings.h"

/* Spare buffers: a stack, `spares` high. */
static uint32_t spare[SLOTS];
static uint64_t rx_frames, rx_bytes, tx_frames, tx_bytes;

/* A burst has four words per entry, as in src/kit/link.ts. */
struct frame {
    uint32_t offset, length, flags, tag;
};

static __attribute__((noinline, unused)) unsigned receive(struct frame *burst, unsigned budget) {
    unsigned count = 0;
    uint64_t bytes = 0;
    uint32_t slot = rx_next;
    for (; count < budget && spares > 0; slot = (slot + 1) & MASK) {
        struct descriptor *r = &rx[slot];
        uint32_t opts1 = load_opts1(r);
        if (opts1 & OWN) break;
        if (is_good(opts1)) {
            uint32_t length = (opts1 & RX_LENGTH) - FCS;
            burst[count++] = (struct frame){rx_buffer[slot], length, 0, r->opts2};
            bytes += length;
            rx_buffer[slot] = spare[--spares];
            r->address = (uint64_t)(uintptr_t)(arena + rx_buffer[slot]);
        } else {
            dropped++;
        }
        r->opts2 = 0;
        give(r, OWN | end_of_ring(slot) | BUFFER);
    }
    rx_next = slot;
    rx_frames += count;
    rx_bytes += bytes;
    return count;
}

static __attribute__((noinline, unused)) void release(const uint32_t *offsets, unsigned count) {
    if (spares + count > SLOTS) abort();
    for (unsigned i = 0; i < count; i++) spare[spares++] = offsets[i];
}

/* The transmit indices are free-running and masked on use: their difference is the number in flight. */
static __attribute__((noinline, unused)) unsigned transmit(const struct frame *burst, unsigned count) {
    unsigned i = 0;
    uint64_t bytes = 0;
    for (; i < count && tx_next - tx_clean < SLOTS; i++, tx_next++) {
        uint32_t slot = tx_next & MASK, offset = burst[i].offset, length = burst[i].length;
        if (length == 0 || length > 0xffff || offset + length > 2 * SLOTS * BUFFER) abort();
        struct descriptor *t = &tx[slot];
        tx_buffer[slot] = offset;
        t->opts2 = 0;
        t->address = (uint64_t)(uintptr_t)(arena + offset);
        give(t, OWN | FS | LS | end_of_ring(slot) | length);
        bytes += length;
    }
    tx_frames += i;
    tx_bytes += bytes;
    if (i) *doorbell = POLL_NORMAL;
    return i;
}

static __attribute__((noinline, unused)) unsigned reclaim(uint32_t *offsets, unsigned limit) {
    unsigned count = 0;
    for (; count < limit && tx_clean != tx_next; count++, tx_clean++) {
        if (load_opts1(&tx[tx_clean & MASK]) & OWN) break;
        offsets[count] = tx_buffer[tx_clean & MASK];
    }
    return count;
}

static struct frame burst[SLOTS];
static uint32_t offsets[SLOTS];

static __attribute__((unused)) unsigned forward_bursts(unsigned budget) {
    release(offsets, reclaim(offsets, budget));
    unsigned count = receive(burst, budget);
    for (unsigned i = 0; i < count; i++) swap_macs(arena + burst[i].offset);
    return transmit(burst, count);
}

static __attribute__((unused)) unsigned drop_bursts(unsigned budget) {
    unsigned count = receive(burst, budget);
    for (unsigned i = 0; i < count; i++) {
        count_in(arena + burst[i].offset);
        offsets[i] = burst[i].offset;
    }
    release(offsets, count);
    return count;
}

static __attribute__((unused)) unsigned generate_bursts(unsigned budget) {
    release(offsets, reclaim(offsets, budget));
    unsigned count = budget < spares ? budget : spares;
    for (unsigned i = 0; i < count; i++) {
        uint32_t offset = spare[--spares];
        build(arena + offset);
        burst[i] = (struct frame){offset, sent_length, 0, 0};
    }
    return transmit(burst, count);
}

#endif
