/* The driver that works in bursts, with the interface and the checks of Ferrule's rings: see rings.h. */
#ifndef BURSTS_H
#define BURSTS_H

#include "rings.h"

static uint64_t rx_frames, rx_bytes, tx_frames, tx_bytes;

/* The entries have four words each, as in src/kit/link.ts. The driver owns the buffers in them. */
static struct frame {
    uint32_t offset, length, flags, tag;
} burst[SLOTS];

/* Gives each entry a buffer. `bring_up` must have created the rings, whose slots have other buffers. */
static void bring_up_bursts(void) {
    for (uint32_t i = 0; i < SLOTS; i++) burst[i].offset = (2 * SLOTS + i) * BUFFER;
}

/* Exchanges the buffers of entries for those of received frames. */
static __attribute__((noinline, unused)) unsigned receive(unsigned first, unsigned budget) {
    if (first > SLOTS || budget > SLOTS - first) abort();
    struct frame *entry = burst + first, *end = entry + budget;
    uint64_t bytes = 0;
    uint32_t slot = rx_next;
    for (; entry < end; slot = (slot + 1) & MASK) {
        struct descriptor *r = &rx[slot];
        uint32_t opts1 = load_opts1(r);
        if (opts1 & OWN) break;
        if (is_good(opts1)) {
            uint32_t length = (opts1 & RX_LENGTH) - FCS, fresh = entry->offset;
            if (fresh > (BUFFERS - 1) * BUFFER) abort();
            *entry++ = (struct frame){rx_buffer[slot], length, 0, r->opts2};
            bytes += length;
            rx_buffer[slot] = fresh;
            r->address = (uint64_t)(uintptr_t)(arena + fresh);
        } else {
            dropped++;
        }
        r->opts2 = 0;
        give(r, OWN | end_of_ring(slot) | BUFFER);
    }
    unsigned count = (unsigned)(entry - burst) - first;
    rx_next = slot;
    rx_frames += count;
    rx_bytes += bytes;
    return count;
}

/* Exchanges frames for buffers whose frames were sent. */
static __attribute__((noinline, unused)) unsigned transmit(unsigned first, unsigned count) {
    if (first > SLOTS || count > SLOTS - first) abort();
    struct frame *entry = burst + first, *end = entry + count;
    uint64_t bytes = 0;
    for (; entry < end; entry++, tx_next = (tx_next + 1) & MASK) {
        struct descriptor *t = &tx[tx_next];
        if (load_opts1(t) & OWN) break;
        uint32_t offset = entry->offset, length = entry->length;
        if (length == 0 || length > 0xffff || offset + length > BUFFERS * BUFFER) abort();
        entry->offset = tx_buffer[tx_next];
        tx_buffer[tx_next] = offset;
        t->opts2 = 0;
        t->address = (uint64_t)(uintptr_t)(arena + offset);
        give(t, OWN | FS | LS | end_of_ring(tx_next) | length);
        bytes += length;
    }
    unsigned taken = (unsigned)(entry - burst) - first;
    tx_frames += taken;
    tx_bytes += bytes;
    if (taken) *doorbell = POLL_NORMAL;
    return taken;
}

/* A pass that forwards frames. The device must have sent every frame before the next pass. */
static __attribute__((unused)) unsigned forward_bursts(unsigned budget) {
    unsigned count = receive(0, budget);
    for (unsigned i = 0; i < count; i++) swap_macs(arena + burst[i].offset);
    return transmit(0, count);
}

/* The first entry whose frame is not sent yet, and the number of such entries. */
static unsigned waiting_first, waiting;

static inline unsigned send_entries(unsigned first, unsigned count) {
    unsigned taken = transmit(first, count);
    waiting_first = first + taken;
    waiting = count - taken;
    return taken;
}

static __attribute__((unused)) unsigned forward_waiting(unsigned budget) {
    if (waiting) return send_entries(waiting_first, waiting);
    unsigned count = receive(0, budget);
    if (count == 0) return 0;
    for (unsigned i = 0; i < count; i++) swap_macs(arena + burst[i].offset);
    return send_entries(0, count);
}

static __attribute__((unused)) unsigned drop_bursts(unsigned budget) {
    unsigned count = receive(0, budget);
    for (unsigned i = 0; i < count; i++) count_in(arena + burst[i].offset);
    return count;
}

static __attribute__((unused)) unsigned generate_bursts(unsigned budget) {
    if (waiting) return send_entries(waiting_first, waiting);
    for (unsigned i = 0; i < budget; i++) {
        build(arena + burst[i].offset);
        burst[i].length = sent_length;
        burst[i].flags = 0;
    }
    return send_entries(0, budget);
}

#endif
