/*
 * The device's rings: writes frames into receive buffers, takes them from transmit descriptors, and checks their
 * sequence numbers.
 */
#ifndef WIRE_H
#define WIRE_H

#include "registers-8125.h"
#include "shared.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#define OWN 0x80000000u
#define EOR 0x40000000u
#define FS 0x20000000u
#define LS 0x10000000u
#define LENGTH 0x3fffu
enum { FCS = 4, SHORTEST = 60, LONGEST = 1514 };

struct descriptor {
    uint32_t opts1, opts2;
    uint64_t address;
};

/* The transmit descriptor of an RTL8125B. */
struct descriptor_8125 {
    uint32_t opts1, opts2;
    uint64_t address;
    uint32_t unused[4];
};

/*
 * Largest distance of a returned frame from the oldest one that is missing. It is more than the number of a driver's
 * descriptors.
 */
enum { AHEAD = 1 << 14 };

/* The sequence numbers of one driver's frames. They continue from one measurement window to the next, and wrap. */
struct sequence {
    uint32_t sent;     /* number of the next frame for the driver */
    uint32_t expected; /* lowest number that was not returned yet */
    uint32_t highest;  /* highest number that was returned, plus one */
    uint32_t ahead_count;
    uint8_t ahead[AHEAD]; /* for each number from `expected` on: whether the frame was returned */
    uint64_t lost, doubled, reordered, damaged;
};

struct peer {
    const char *name;
    pid_t pid;
    int wake; /* descriptor of a pipe to the driver's stdin */
    volatile uint8_t *registers;
    struct control *control;
    /* Memory that the driver's descriptors may point to. */
    uint8_t *memory;
    uint64_t iova, bytes;
    struct descriptor *rx;
    uint32_t rx_at, tx_at;
    union {
        struct descriptor *tx;
        struct descriptor_8125 *tx_8125;
    };
    int is_8125; /* the chip is an RTL8125B: longer transmit descriptors, and ring positions in registers */
    uint16_t closed;
    struct commander commander;
    int fetching; /* the transmit ring had work at the last check */
    int swapped;  /* frames are returned with their MAC addresses swapped */
    struct sequence sequence;
};

/* Frame lengths without FCS, used in turn: a single length, or a mix of lengths. */
struct sizes {
    unsigned count;
    uint32_t length[12];
};

static inline uint32_t length_of(const struct sizes *sizes, uint32_t number) {
    return sizes->length[sizes->count == 1 ? 0 : number % sizes->count];
}

static inline uint32_t next_slot(uint32_t slot, uint32_t opts1) { return opts1 & EOR ? 0 : slot + 1; }

void peer_failed(const struct peer *peer, const char *what) __attribute__((noreturn));

static inline uint8_t *memory_at(const struct peer *peer, uint64_t address, uint32_t length) {
    uint64_t offset = address - peer->iova;
    if (offset >= peer->bytes || offset + length > peer->bytes) peer_failed(peer, "points the device outside its memory");
    return peer->memory + offset;
}

/* Writes only the bytes of a frame that the driver and the check read, because a NIC's DMA takes no processor time. */
static inline void write_frame(uint8_t *frame, uint32_t number, uint32_t length) {
    const uint64_t low = DESTINATION | SOURCE << 48, high = SOURCE >> 16 | (uint64_t)ETHERTYPE << 32;
    memcpy(frame, &low, 8);
    memcpy(frame + 8, &high, 8);
    memcpy(frame + SEQUENCE_OFFSET, &number, sizeof number);
    if (length > SHORTEST) memcpy(frame + length - sizeof number, &number, sizeof number);
}

/* Puts a frame into each of at most `limit` posted buffers, and returns their number. */
static unsigned deliver(struct peer *peer, unsigned limit, const struct sizes *sizes) {
    unsigned n = 0;
    for (; n < limit; n++) {
        struct descriptor *d = &peer->rx[peer->rx_at];
        uint32_t opts1 = __atomic_load_n(&d->opts1, __ATOMIC_ACQUIRE), number = peer->sequence.sent;
        if (!(opts1 & OWN)) break;
        uint32_t length = length_of(sizes, number);
        if ((opts1 & LENGTH) < length + FCS) peer_failed(peer, "posts a receive buffer that is too short");
        write_frame(memory_at(peer, d->address, length + FCS), number, length);
        d->opts2 = 0;
        __atomic_store_n(&d->opts1, (opts1 & EOR) | FS | LS | (length + FCS), __ATOMIC_RELEASE);
        peer->rx_at = next_slot(peer->rx_at, opts1);
        peer->sequence.sent++;
    }
    return n;
}

/* Advances `expected` by one, and counts the frame as lost if it was not returned. */
static void pass_by(struct sequence *s) {
    uint8_t *ahead = &s->ahead[s->expected++ % AHEAD];
    if (*ahead) s->ahead_count--;
    else s->lost++;
    *ahead = 0;
}

/* Handles a frame that was returned out of order. */
static void out_of_turn(struct sequence *s, uint32_t number) {
    uint32_t distance = number - s->expected;
    if (distance >= s->sent - s->expected) {
        /* A recent number was returned before; any other number was never sent. */
        if (s->expected - number <= AHEAD) s->doubled++;
        else s->damaged++;
        return;
    }
    if (s->ahead[number % AHEAD]) {
        s->doubled++;
        return;
    }
    if ((int32_t)(number - s->highest) < 0) s->reordered++;
    else s->highest = number + 1;
    s->ahead[number % AHEAD] = 1;
    s->ahead_count++;
    while (s->ahead_count > 0 && s->ahead[s->expected % AHEAD]) pass_by(s);
    /* No ring has AHEAD / 2 descriptors, so missing frames at least AHEAD / 2 before this one are lost. */
    while (number - s->expected >= AHEAD / 2 && s->expected != s->highest) pass_by(s);
}

static inline void came_back(struct sequence *s, uint32_t number) {
    if (number == s->expected && number != s->sent && s->ahead_count == 0) s->highest = ++s->expected;
    else out_of_turn(s, number);
}

/*
 * True if a frame has the length `sent` and a correct header. If the driver forwarded it and it is longer than SHORTEST,
 * its last four bytes must be correct too.
 */
static inline int is_whole(const struct peer *peer, const uint8_t *frame, uint32_t number, uint32_t length, uint32_t sent) {
    const uint64_t to = peer->swapped ? SOURCE : DESTINATION, from = peer->swapped ? DESTINATION : SOURCE;
    uint64_t low, high;
    uint32_t end = number;
    memcpy(&low, frame, 8);
    memcpy(&high, frame + 8, 8);
    if (peer->swapped && length > SHORTEST) memcpy(&end, frame + length - sizeof end, sizeof end);
    return low == (to | from << 48) && high == (from >> 16 | (uint64_t)ETHERTYPE << 32) && end == number && length == sent;
}

/* True if the driver has rung the doorbell since the last call that returned true. */
static int is_rung(struct peer *peer) {
    volatile uint8_t *doorbell = peer->registers + TX_POLL;
    if (!*doorbell) return 0;
    __atomic_exchange_n(doorbell, 0, __ATOMIC_SEQ_CST);
    return 1;
}

/* Takes one frame from a transmit descriptor, and checks it. */
static void send_frame(struct peer *peer, uint32_t opts1, uint64_t address, const struct sizes *sizes) {
    uint32_t length = opts1 & 0xffff, number;
    const uint8_t *frame = memory_at(peer, address, length < SHORTEST ? SHORTEST : length);
    memcpy(&number, frame + SEQUENCE_OFFSET, sizeof number);
    if ((opts1 & (FS | LS)) != (FS | LS) || !is_whole(peer, frame, number, length, length_of(sizes, number)))
        peer->sequence.damaged++;
    else came_back(&peer->sequence, number);
}

/*
 * Finds frames by the OWN bit. Once the device has found the ring empty, it reads the ring only after the doorbell has
 * been rung again.
 */
static unsigned collect_owned(struct peer *peer, unsigned limit, const struct sizes *sizes) {
    unsigned n = 0;
    if (!peer->fetching && !is_rung(peer)) return 0;
    peer->fetching = 1;
    for (; n < limit; n++) {
        struct descriptor *d = &peer->tx[peer->tx_at];
        uint32_t opts1 = __atomic_load_n(&d->opts1, __ATOMIC_ACQUIRE);
        if (!(opts1 & OWN)) {
            peer->fetching = 0;
            break;
        }
        send_frame(peer, opts1, d->address, sizes);
        __atomic_store_n(&d->opts1, opts1 & ~OWN, __ATOMIC_RELEASE);
        peer->tx_at = next_slot(peer->tx_at, opts1);
    }
    return n;
}

/*
 * Finds frames by two pointers: the driver's tail pointer, which is also its doorbell, and the device's pointer, which
 * shows how many frames are sent.
 */
static unsigned collect_to_tail(struct peer *peer, unsigned limit, const struct sizes *sizes) {
    unsigned n = 0;
    uint16_t tail = __atomic_load_n((uint16_t *)(peer->registers + TX_TAIL), __ATOMIC_ACQUIRE);
    for (; n < limit && peer->closed != tail; n++, peer->closed++) {
        struct descriptor_8125 *d = &peer->tx_8125[peer->tx_at];
        send_frame(peer, d->opts1, d->address, sizes);
        peer->tx_at = next_slot(peer->tx_at, d->opts1);
    }
    if (n > 0) __atomic_store_n((uint16_t *)(peer->registers + TX_CLOSED), peer->closed, __ATOMIC_RELEASE);
    return n;
}

/* Sends at most `limit` frames that the driver has posted, and returns their number. */
static inline unsigned collect(struct peer *peer, unsigned limit, const struct sizes *sizes) {
    return peer->is_8125 ? collect_to_tail(peer, limit, sizes) : collect_owned(peer, limit, sizes);
}

static int all_back(const struct sequence *s) { return s->expected == s->sent; }

/*
 * Ends the count of a measurement window. Frames that have not been returned by now count as lost, and the sequence
 * numbers continue after them.
 */
static void settle(struct sequence *s) {
    while (!all_back(s)) pass_by(s);
    s->highest = s->sent;
}

#endif
