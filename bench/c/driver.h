/* The ring hot path in C, in three variants: what Ferrule's rings are compared with.
 *
 * Receive ring, transmit ring, 2 KiB buffers in one arena; per frame: read the receive descriptor, swap the MAC addresses,
 * post the frame on the transmit ring, take back what an earlier transmit left in that slot, refill the receive slot with it.
 *
 *   minimal  trusts every word the device wrote; one fused loop: the least this job can cost
 *   careful  the same loop; each device-written word is read once and validated, addresses come from the driver's memory
 *   bursts   receive, transmit, reclaim and release as four functions over bursts, with the checks, counters and spare
 *            buffers of Ferrule's rings: tells the price of the interface from that of the language
 *
 * Whoever includes this defines SLOTS, the descriptors of a ring. An address on the bus is an address of this process. */
#ifndef DRIVER_H
#define DRIVER_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { MASK = SLOTS - 1, BUFFER = 2048, FCS = 4, HEADER = 14 };

#define OWN 0x80000000u
#define EOR 0x40000000u
#define FS 0x20000000u
#define LS 0x10000000u
#define RX_ERROR 0x00200000u
#define RX_LENGTH 0x3fffu

struct descriptor {
    uint32_t opts1, opts2;
    uint64_t address;
};

/* What bursts carry: the four words of src/kit/link.ts. */
struct frame {
    uint32_t offset, length, flags, tag;
};

static struct descriptor *rx, *tx;
static uint8_t *arena;
/* TxPoll, and its bit for work in the ring of normal priority. */
static volatile uint8_t *doorbell;
enum { POLL_NORMAL = 0x40 };

static uint32_t rx_next, tx_next, tx_clean, spares;
/* The driver's own memory of which buffer is in which slot, as offsets in the arena, and a stack of spare ones. */
static uint32_t rx_buffer[SLOTS], tx_buffer[SLOTS], spare[SLOTS];
static uint64_t dropped, rx_frames, rx_bytes, tx_frames, tx_bytes;

static inline uint32_t load_opts1(const struct descriptor *d) { return __atomic_load_n(&d->opts1, __ATOMIC_ACQUIRE); }
static inline void give(struct descriptor *d, uint32_t opts1) { __atomic_store_n(&d->opts1, opts1, __ATOMIC_RELEASE); }
static inline uint32_t end_of_ring(uint32_t slot) { return slot == MASK ? EOR : 0; }

static inline void swap_macs(uint8_t *frame) {
    uint64_t low;
    uint32_t high;
    memcpy(&low, frame, 8);
    memcpy(&high, frame + 8, 4);
    uint64_t swapped_low = low >> 48 | (uint64_t)high << 16 | low << 48;
    uint32_t swapped_high = (uint32_t)(low >> 16);
    memcpy(frame, &swapped_low, 8);
    memcpy(frame + 8, &swapped_high, 4);
}

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

/* A frame that is whole, sound and fits the buffer it was received into. */
static inline int is_good(uint32_t opts1) {
    uint32_t length = opts1 & RX_LENGTH;
    return (opts1 & (FS | LS | RX_ERROR)) == (FS | LS) && length >= HEADER + FCS && length <= BUFFER;
}

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

/* The transmit indices run freely and are masked on use: their difference is what is in flight. */
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

static __attribute__((unused)) unsigned forward_bursts(unsigned budget) {
    static struct frame burst[SLOTS];
    static uint32_t offsets[SLOTS];
    release(offsets, reclaim(offsets, budget));
    unsigned count = receive(burst, budget);
    for (unsigned i = 0; i < count; i++) swap_macs(arena + burst[i].offset);
    return transmit(burst, count);
}

/* Receive buffers in the receive ring; the spare half lies in the transmit ring as if it had just been sent. */
static void bring_up(void) {
    memset(rx, 0, SLOTS * sizeof *rx);
    memset(tx, 0, SLOTS * sizeof *tx);
    for (uint32_t i = 0; i < SLOTS; i++) {
        rx_buffer[i] = i * BUFFER;
        tx_buffer[i] = (SLOTS + i) * BUFFER;
        rx[i] = (struct descriptor){OWN | end_of_ring(i) | BUFFER, 0, (uintptr_t)(arena + rx_buffer[i])};
        tx[i] = (struct descriptor){FS | LS | end_of_ring(i), 0, (uintptr_t)(arena + tx_buffer[i])};
    }
    rx_next = tx_next = tx_clean = spares = 0;
}

#endif
