/* The work that a NIC, its driver and the wire cannot avoid, in C, between two TAPs. In bench/tcp.ts, the difference between Ferrule and
 * this program shows how much of the cost of Ferrule's TCP path is due to the language. The difference between this program and mover.c
 * shows how much is due to the work.
 *
 * From the first TAP to the second, a super-frame is segmented in place, as by a sending NIC: each segment gets
 * headers and checksums of its own. The segments are merged for the second TAP, whose kernel verifies the checksum
 * of the merged frame. In the other direction each segment is copied into a receive buffer of its own, its checksum
 * is computed and verified, and a descriptor reports the result. The driver's half reads the descriptors and merges
 * the frames in place. Because the checksums have been verified, the first TAP's kernel need not verify them.
 *
 * Only TCP over IPv4 without IP options or tags, in segments of even length, is segmented; other frames pass unchanged.
 *
 * usage: nic TAP TAP */
#include "tap.h"
#include <arpa/inet.h>
#include <sys/uio.h>

enum {
    ETHERNET = 14, IPV4 = 20, TRANSPORT = ETHERNET + IPV4, LONGEST_HEADERS = TRANSPORT + 60,
    SEGMENTS = 64, SLOTS = 256, SLOT = 2048,
    NEEDS_CHECKSUM = 1, GSO_TCP4 = 1,
    OWN = 1u << 31, GOOD = 1 << 16, LENGTH = 0x3fff,
    AT_LENGTH = ETHERNET + 2, AT_ID = ETHERNET + 4, AT_IP_SUM = ETHERNET + 10, AT_ADDRESSES = ETHERNET + 12,
    AT_SEQUENCE = TRANSPORT + 4, AT_FLAGS = TRANSPORT + 13, AT_SUM = TRANSPORT + 16,
    FIN = 1, PSH = 8, CWR = 128,
};

struct virtio { uint8_t flags, gso; uint16_t headers, segment, start, offset, buffers; };
struct descriptor { uint32_t opts1, opts2; uint64_t address; };

static uint8_t headers[SEGMENTS][128] __attribute__((aligned(64)));
static uint8_t buffers[SLOTS][SLOT] __attribute__((aligned(64)));
static struct descriptor ring[SLOTS];

static inline uint16_t get16(const uint8_t *at) { return (uint16_t)(at[0] << 8 | at[1]); }
static inline void put16(uint8_t *at, uint32_t value) { at[0] = (uint8_t)(value >> 8), at[1] = (uint8_t)value; }
static inline uint32_t get32(const uint8_t *at) { return ntohl(*(const uint32_t *)(const void *)at); }
static inline void put32(uint8_t *at, uint32_t value) { value = htonl(value), memcpy(at, &value, 4); }

static inline uint32_t fold(uint64_t sum) {
    while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
    return (uint32_t)sum;
}

/* The sum of bytes for an Internet checksum, in memory order: the folded sum must be byte-swapped (`ntohs`). */
static inline uint64_t add(const uint8_t *bytes, size_t count) {
    uint64_t sum = 0;
    size_t i = 0;
    for (; i + 4 <= count; i += 4) {
        uint32_t word;
        memcpy(&word, bytes + i, 4);
        sum += word;
    }
    uint32_t rest = 0;
    memcpy(&rest, bytes + i, count - i);
    return sum + rest;
}

static inline uint64_t pseudo(const uint8_t *frame, uint32_t tcp_bytes) {
    return add(frame + AT_ADDRESSES, 8) + htons(6) + htons((uint16_t)tcp_bytes);
}

static inline void seal_ip(uint8_t *frame, uint32_t ip_bytes) {
    put16(frame + AT_LENGTH, ip_bytes);
    put16(frame + AT_IP_SUM, 0);
    put16(frame + AT_IP_SUM, ntohs((uint16_t)~fold(add(frame + ETHERNET, IPV4))));
}

/* Writes to `at` the headers of segment `k` of a super-frame, for `bytes` of payload whose sum is known. */
static inline void make(uint8_t *at, const uint8_t *super, uint32_t length, uint32_t k, uint32_t size, int last,
                        uint32_t bytes, uint64_t sum) {
    memcpy(at, super, length);
    put16(at + AT_ID, get16(super + AT_ID) + k);
    seal_ip(at, length - ETHERNET + bytes);
    put32(at + AT_SEQUENCE, get32(super + AT_SEQUENCE) + k * size);
    if (!last) at[AT_FLAGS] &= (uint8_t)~(FIN | PSH);
    if (k > 0) at[AT_FLAGS] &= (uint8_t)~CWR;
    put16(at + AT_SUM, 0);
    uint32_t tcp = length - TRANSPORT;
    put16(at + AT_SUM, ntohs((uint16_t)~fold(pseudo(at, tcp + bytes) + add(at + TRANSPORT, tcp) + sum)));
}

/* True if the segment `next` continues the run of `payload` bytes that starts with `first`. */
static inline int follows(const uint8_t *first, const uint8_t *next, uint32_t length, uint32_t payload) {
    return memcmp(first, next, AT_LENGTH) == 0 && memcmp(first + AT_ID + 2, next + AT_ID + 2, 4) == 0 &&
           memcmp(first + AT_ADDRESSES, next + AT_ADDRESSES, 12) == 0 &&
           get32(next + AT_SEQUENCE) == get32(first + AT_SEQUENCE) + payload && memcmp(first + AT_SEQUENCE + 4, next + AT_SEQUENCE + 4, 5) == 0 &&
           memcmp(first + AT_FLAGS + 1, next + AT_FLAGS + 1, 2) == 0 &&
           memcmp(first + AT_SUM + 4, next + AT_SUM + 4, length - AT_SUM - 4) == 0;
}

/* The sum that the segment's payload must have if the segment's checksum is correct. */
static inline uint32_t implied(const uint8_t *at, uint32_t length, uint32_t payload) {
    uint32_t tcp = length - TRANSPORT;
    return ~fold(pseudo(at, tcp + payload) + add(at + TRANSPORT, tcp)) & 0xffff;
}

static int is_super(const struct virtio *virtio, const uint8_t *frame, size_t length) {
    if (virtio->gso != GSO_TCP4 || length < TRANSPORT + 20 || get16(frame + 12) != 0x0800 || frame[ETHERNET] != 0x45) return 0;
    return virtio->headers <= LONGEST_HEADERS && virtio->segment > 0 && virtio->segment % 2 == 0 && virtio->headers + virtio->segment <= SLOT &&
           length > virtio->headers && length <= virtio->headers + (size_t)SEGMENTS * virtio->segment;
}

static ssize_t written(int to, const struct iovec *pieces, int count, size_t length) {
    return writev(to, pieces, count) > 0 ? (ssize_t)length : -1;
}

static ssize_t out(struct direction *d, size_t length) {
    struct virtio *virtio = (struct virtio *)(void *)d->buffer;
    uint8_t *super = d->buffer + HEADER;
    if (!is_super(virtio, super, length - HEADER)) return write(d->to, d->buffer, length);
    uint32_t head = virtio->headers, size = virtio->segment, payload = (uint32_t)(length - HEADER - head);
    uint32_t count = (payload + size - 1) / size;
    for (uint32_t k = 0; k < count; k++) {
        uint32_t bytes = k + 1 < count ? size : payload - k * size;
        make(headers[k], super, head, k, size, k + 1 == count, bytes, add(super + head + k * size, bytes));
    }
    /*
     * The end of the wire: merges the segments, and computes the checksum of the merged frame from the segments'
     * checksums.
     */
    uint8_t *first = headers[0];
    uint64_t sum = implied(first, head, size < payload ? size : payload);
    uint32_t run = size < payload ? size : payload;
    for (uint32_t k = 1; k < count; k++) {
        uint32_t bytes = k + 1 < count ? size : payload - run;
        if (!follows(first, headers[k], head, run)) return -1;
        sum += implied(headers[k], head, bytes);
        run += bytes;
    }
    first[AT_FLAGS] = headers[count - 1][AT_FLAGS] | (first[AT_FLAGS] & CWR);
    seal_ip(first, head - ETHERNET + payload);
    put16(first + AT_SUM, 0);
    uint32_t tcp = head - TRANSPORT;
    put16(first + AT_SUM, ntohs((uint16_t)~fold(pseudo(first, tcp + payload) + add(first + TRANSPORT, tcp) + sum)));
    struct virtio told = {.gso = GSO_TCP4, .headers = (uint16_t)head, .segment = (uint16_t)size};
    struct iovec pieces[] = {{&told, HEADER}, {first, head}, {super + head, payload}};
    return written(d->to, pieces, 3, length);
}

static ssize_t back(struct direction *d, size_t length) {
    static uint32_t next;
    struct virtio *virtio = (struct virtio *)(void *)d->buffer;
    uint8_t *super = d->buffer + HEADER;
    if (!is_super(virtio, super, length - HEADER)) return write(d->to, d->buffer, length);
    uint32_t head = virtio->headers, size = virtio->segment, payload = (uint32_t)(length - HEADER - head);
    uint32_t count = (payload + size - 1) / size, tcp = head - TRANSPORT, start = next;
    /* The NIC's half of the work: receives each segment into a buffer. */
    for (uint32_t k = 0; k < count; k++) {
        uint32_t bytes = k + 1 < count ? size : payload - k * size, slot = (start + k) % SLOTS;
        uint8_t *to = buffers[slot];
        memcpy(to + head, super + head + k * size, bytes);
        uint64_t sum = add(to + head, bytes);
        make(to, super, head, k, size, k + 1 == count, bytes, sum);
        int good = fold(pseudo(to, tcp + bytes) + add(to + TRANSPORT, tcp) + sum) == 0xffff;
        ring[slot].opts2 = 0;
        __atomic_store_n(&ring[slot].opts1, (good ? GOOD : 0) | (head + bytes + 4), __ATOMIC_RELEASE);
    }
    next = (start + count) % SLOTS;
    /* The driver's half of the work: merges the received segments. */
    struct iovec pieces[SEGMENTS + 1] = {{virtio, HEADER}};
    uint8_t *first = buffers[start];
    uint32_t run = 0;
    for (uint32_t k = 0; k < count; k++) {
        uint32_t slot = (start + k) % SLOTS, opts1 = __atomic_load_n(&ring[slot].opts1, __ATOMIC_ACQUIRE);
        uint32_t bytes = (opts1 & LENGTH) - 4 - head;
        if (!(opts1 & GOOD) || (k > 0 && !follows(first, buffers[slot], head, run))) return -1;
        pieces[1 + k] = k == 0 ? (struct iovec){first, head + bytes} : (struct iovec){buffers[slot] + head, bytes};
        run += bytes;
        ring[slot].address = (uint64_t)(uintptr_t)buffers[slot];
        __atomic_store_n(&ring[slot].opts1, OWN | SLOT, __ATOMIC_RELEASE);
    }
    first[AT_FLAGS] |= buffers[(start + count - 1) % SLOTS][AT_FLAGS];
    seal_ip(first, head - ETHERNET + payload);
    put16(first + AT_SUM, ntohs((uint16_t)fold(pseudo(first, tcp + payload))));
    *virtio = (struct virtio){.flags = NEEDS_CHECKSUM, .gso = GSO_TCP4, .headers = (uint16_t)head, .segment = (uint16_t)size,
                              .start = TRANSPORT, .offset = AT_SUM - TRANSPORT};
    return written(d->to, pieces, (int)count + 1, length);
}

int main(int argc, char **argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: nic TAP TAP\n");
        return 2;
    }
    return run(argv + 1, 0, 0, (ssize_t(*const[2])(struct direction *, size_t)){out, back});
}
