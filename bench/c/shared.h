/* The memory that the device process and a driver process share: bench/compare/layout.ts has the same numbers.
 *
 * Each driver has a region: a page of registers, a page of control words, and the DMA window, whose first byte has the
 * bus address WINDOW_IOVA. A driver that accesses memory by bus addresses maps its window at this address. */
#ifndef SHARED_H
#define SHARED_H

#include <stdint.h>

enum { PAGE = 4096, REGION_BYTES = 16 << 20, WINDOW_OFFSET = 2 * PAGE, WINDOW_BYTES = REGION_BYTES - WINDOW_OFFSET };
#define WINDOW_IOVA 0x2000000000ull
enum { MEMORY_FD = 3 };

/* The RTL8168's registers that the rig implements. */
enum { TNPDS = 0x20, TX_POLL = 0x38, RDSAR = 0xe4 };

enum state { DRIVER_STARTING, DRIVER_IDLE, DRIVER_RUNNING };
enum load { FORWARD, DROP, GENERATE };

/* Each word is written either by the driver or by the device, never by both, except that the device clears all at the start. */
struct control {
    /* Written by the driver. */
    uint32_t state;
    /*
     * Counts since the start of the measurement window. With DROP: frames received, and frames out of order. With
     * GENERATE: frames sent.
     */
    uint32_t frames, disorder;
    /* Number of garbage collections during the measurement window. */
    uint32_t collections;
    /*
     * Address, length and file descriptor of the driver's own memory, if its rings and buffers are there and not in the
     * DMA window.
     */
    uint64_t memory_base, memory_bytes;
    uint32_t memory_fd;
    uint32_t unused[7];
    /*
     * Written by the device, in a cache line of its own. When a driver is woken, it reads all of these except `stop`.
     */
    uint32_t stop, load, batch;
    /* With GENERATE: length of a frame in bytes, without FCS. */
    uint32_t bytes;
    /* With DROP and GENERATE: sequence number of the first frame. */
    uint32_t first;
};

/* A frame of the rig: both MAC addresses, an experimental EtherType, two zero bytes, and the sequence number. */
enum { SEQUENCE_OFFSET = 16 };
#define DESTINATION 0xd5d4d3d2d1d0ull
#define SOURCE 0x5b5a59585756ull
#define ETHERTYPE 0xb588u

/* Number of passes that a driver makes between two reads of `stop`. */
enum { PASSES = 64 };

#endif
