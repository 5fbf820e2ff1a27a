/* The memory that the device process and a driver process share: bench/compare/layout.ts has the same numbers.
 *
 * One region a driver: a page of registers, a page of control words, and the DMA window, whose first byte the device
 * calls WINDOW_IOVA. A driver maps its window at that very address where it uses addresses on the bus as its own. */
#ifndef SHARED_H
#define SHARED_H

#include <stdint.h>

enum { PAGE = 4096, REGION_BYTES = 16 << 20, WINDOW_OFFSET = 2 * PAGE, WINDOW_BYTES = REGION_BYTES - WINDOW_OFFSET };
#define WINDOW_IOVA 0x2000000000ull
enum { MEMORY_FD = 3 };

/* Registers of the RTL8168 that the rig has. */
enum { TNPDS = 0x20, TX_POLL = 0x38, RDSAR = 0xe4 };

enum state { DRIVER_STARTING, DRIVER_IDLE, DRIVER_RUNNING };
enum load { FORWARD, DROP, GENERATE };

/* Written by one side only, each word. */
struct control {
    /* The driver's. */
    uint32_t state;
    /* DROP: frames that came, and those out of order. GENERATE: frames sent. Counted from the start of a window. */
    uint32_t frames, disorder;
    /* Garbage collections in the window. */
    uint32_t collections;
    /* Where its rings and buffers are not in the window but in memory of its own: address, length, and descriptor. */
    uint64_t memory_base, memory_bytes;
    uint32_t memory_fd;
    uint32_t unused[7];
    /* The device's. A driver reads all but `stop` when it has been woken; a cache line of their own. */
    uint32_t stop, load, batch;
    /* GENERATE: bytes of a frame without FCS. */
    uint32_t bytes;
    /* DROP and GENERATE: sequence number of the first frame. */
    uint32_t first;
};

/* A frame of the rig: both MAC addresses, an experimental EtherType, two zero bytes, and the sequence number. */
enum { SEQUENCE_OFFSET = 16 };
#define DESTINATION 0xd5d4d3d2d1d0ull
#define SOURCE 0x5b5a59585756ull
#define ETHERTYPE 0xb588u

/* Passes that a driver makes between two looks at `stop`. */
enum { PASSES = 64 };

#endif
