/* The driver that trusts every word that the device wrote: see rings.h. */
#ifndef MINIMAL_H
#define MINIMAL_H

#include "rings.h"

static __attribute__((noinline, unused)) unsigned forward_minimal(unsigned budget) {
    unsigned done = 0;
    uint32_t r_slot = rx_next, t_slot = tx_next;
    for (; done < budget; done++, r_slot = (r_slot + 1) & MASK, t_slot = (t_slot + 1) & MASK) {
        struct descriptor *r = &rx[r_slot], *t = &tx[t_slot];
        uint32_t opts1 = load_opts1(r);
        if (opts1 & OWN || load_opts1(t) & OWN) break;
        uint64_t frame = r->address, spare = t->address;
        swap_macs((uint8_t *)(uintptr_t)frame);
        t->opts2 = 0;
        t->address = frame;
        give(t, OWN | FS | LS | end_of_ring(t_slot) | ((opts1 & RX_LENGTH) - FCS));
        r->opts2 = 0;
        r->address = spare;
        give(r, OWN | end_of_ring(r_slot) | BUFFER);
    }
    rx_next = r_slot;
    tx_next = t_slot;
    if (done) *doorbell = POLL_NORMAL;
    return done;
}

static __attribute__((unused)) unsigned drop_minimal(unsigned budget) {
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

/* Each frame is built in the buffer that its slot of the transmit ring already has. */
static __attribute__((unused)) unsigned generate_minimal(unsigned budget) {
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

#endif
