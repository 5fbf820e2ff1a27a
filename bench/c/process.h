/* A driver process in C. It has the rings of rings.h in memory that it shares with the device process (device.c). */
#ifndef PROCESS_H
#define PROCESS_H

#define SLOTS 1024
#include "rings.h"
#include "shared.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

static void *map(void *at, size_t bytes, off_t offset, int flags) {
    void *memory = mmap(at, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | flags, MEMORY_FD, offset);
    if (memory != MAP_FAILED) return memory;
    perror("mmap of the device's memory");
    exit(1);
}

static void store_address(uint8_t *registers, unsigned at, const void *address) {
    uint64_t value = (uintptr_t)address;
    memcpy(registers + at, &value, sizeof value);
}

/* Initialises the rings in the region with this number, and reports their addresses to the device. */
static struct control *attach(const char *number) {
    off_t region = (off_t)atoi(number) * REGION_BYTES;
    uint8_t *registers = map(NULL, WINDOW_OFFSET, region, 0);
    uint8_t *window = map((void *)WINDOW_IOVA, WINDOW_BYTES, region + WINDOW_OFFSET, MAP_FIXED_NOREPLACE);
    rx = (struct descriptor *)window;
    tx = rx + SLOTS;
    arena = (uint8_t *)(tx + SLOTS);
    doorbell = registers + TX_POLL;
    bring_up();
    store_address(registers, TNPDS, tx);
    store_address(registers, RDSAR, rx);
    return (struct control *)(registers + PAGE);
}

static inline void set_state(struct control *control, enum state state) {
    __atomic_store_n(&control->state, state, __ATOMIC_RELEASE);
}

static inline int is_stopped(const struct control *control) { return __atomic_load_n(&control->stop, __ATOMIC_ACQUIRE) != 0; }

/* Sleeps until the device starts a measurement window; returns 0 if the device process has ended. */
static inline int is_woken(void) {
    char byte;
    return read(STDIN_FILENO, &byte, 1) == 1;
}

#endif
