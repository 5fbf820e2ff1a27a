/* A driver's rings in C, the reference for Ferrule's rings. This file has the parts that all variants share.
 *
 * The driver has a receive ring, a transmit ring, and buffers of 2 KiB in one arena. For each frame, a variant reads
 * the receive descriptor, swaps the MAC addresses, posts the frame on the transmit ring, takes the buffer of an
 * earlier frame from that transmit slot, and refills the receive slot with it.
 *
 *   minimal.h  one fused loop that trusts every word that the device wrote: the least possible cost of this work
 *   careful.h  the same loop; each word that the device wrote is read once and validated, and addresses come from the
 *              driver's memory
 *   bursts.h   receive and transmit as two functions over bursts that exchange buffers, with the checks and counters of
 *              Ferrule's rings: separates the cost of the interface from that of the language
 *
 * The including file defines SLOTS, the number of descriptors of a ring. Bus addresses are addresses of this process. */
#ifndef RINGS_H
#define RINGS_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "shared.h"

/* A third of the buffers belongs to the entries of bursts.h; the other variants do not use that third. */
enum { MASK = SLOTS - 1, BUFFER = 2048, BUFFERS = 3 * SLOTS, FCS = 4, HEADER = 14 };

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

static struct descriptor *rx, *tx;
static uint8_t *arena;
/* TxPoll, and its bit for work in the ring of normal priority. */
static volatile uint8_t *doorbell;
enum { POLL_NORMAL = 0x40 };

static uint32_t rx_next, tx_next;
/* The driver's own record of the buffer in each slot, as offsets in the arena. */
static uint32_t rx_buffer[SLOTS], tx_buffer[SLOTS];
static __attribute__((unused)) uint64_t dropped;

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

/* True if a frame is complete, has no errors, and fits the buffer into which it was received. */
static inline int is_good(uint32_t opts1) {
    uint32_t length = opts1 & RX_LENGTH;
    return (opts1 & (FS | LS | RX_ERROR)) == (FS | LS) && length >= HEADER + FCS && length <= BUFFER;
}

/*
 * `sequence` is the sequence number of the next frame to receive or send, `disorder` the number of frames received out
 * of order, and `sent_length` the length of a frame to send.
 */
static __attribute__((unused)) uint32_t sequence, disorder, sent_length;

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

/*
 * Creates the rings. A third of the buffers goes into the receive ring, and another third into the transmit ring, as if
 * they had just been sent.
 */
static void bring_up(void) {
    memset(rx, 0, SLOTS * sizeof *rx);
    memset(tx, 0, SLOTS * sizeof *tx);
    for (uint32_t i = 0; i < SLOTS; i++) {
        rx_buffer[i] = i * BUFFER;
        tx_buffer[i] = (SLOTS + i) * BUFFER;
        rx[i] = (struct descriptor){OWN | end_of_ring(i) | BUFFER, 0, (uintptr_t)(arena + rx_buffer[i])};
        tx[i] = (struct descriptor){FS | LS | end_of_ring(i), 0, (uintptr_t)(arena + tx_buffer[i])};
    }
    rx_next = tx_next = 0;
}

#endif
