/* The driver that validates each word that the device wrote, and reads it only once: see rings.h. */
#ifndef CAREFUL_H
#define CAREFUL_H

#include "rings.h"

static __attribute__((noinline, unused)) unsigned forward_careful(unsigned budget) {
    unsigned done = 0;
    uint32_t r_slot = rx_next, t_slot = tx_next;
    for (; done < budget; done++) {
        uint32_t opts1 = load_opts1(&rx[r_slot]);
        if (opts1 & OWN) break;
        struct descriptor *r = &rx[r_slot], *t = &tx[t_slot];
        uint32_t frame = rx_buffer[r_slot], refill = frame;
        if (is_good(opts1)) {
            if (load_opts1(t) & OWN) break;
            refill = tx_buffer[t_slot];
            swap_macs(arena + frame);
            t->opts2 = 0;
            t->address = (uint64_t)(uintptr_t)(arena + frame);
            give(t, OWN | FS | LS | end_of_ring(t_slot) | ((opts1 & RX_LENGTH) - FCS));
            tx_buffer[t_slot] = frame;
            t_slot = (t_slot + 1) & MASK;
        } else {
            dropped++;
        }
        rx_buffer[r_slot] = refill;
        r->opts2 = 0;
        r->address = (uint64_t)(uintptr_t)(arena + refill);
        give(r, OWN | end_of_ring(r_slot) | BUFFER);
        r_slot = (r_slot + 1) & MASK;
    }
    rx_next = r_slot;
    tx_next = t_slot;
    if (done) *doorbell = POLL_NORMAL;
    return done;
}

static __attribute__((unused)) unsigned drop_careful(unsigned budget) {
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

static __attribute__((unused)) unsigned generate_careful(unsigned budget) {
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

#endif
