/*
 * The registers of an RTL8125B that a driver polls during bring-up. Some have values that never change. Others are
 * command registers, in which the chip marks each command as done. Addresses and bits are DPDK's (drivers/net/r8169).
 */
#ifndef REGISTERS_8125_H
#define REGISTERS_8125_H

#include <stdint.h>
#include <string.h>

enum { BAR_BYTES = 64 << 10, TX_TAIL = 0x2800, TX_CLOSED = 0x2802 };

/* Command registers of the PHY, the side buses and configuration space. Bit 31 changes when the command is done. */
static const uint16_t commands[] = {0xb8, 0x80, 0x74, 0x68};
enum { COMMANDS = sizeof commands / sizeof *commands };
#define DONE 0x80000000u

enum { COUNTER_ADDRESS = 0x10, COUNTER_COMMANDS = 0x09, CHIP_COMMAND = 0x37, RESET_AND_STOP = 0x90 };

struct commander {
    uint32_t answered[COMMANDS];
};

static inline void set_up_8125b(uint8_t *bar) {
    static const uint8_t address[] = {0x02, 0, 0, 0, 0, 1};
    const uint32_t tx_config = 0x64000000; /* the identification of an RTL8125B */
    const uint32_t phy_status = 0x403;     /* 2.5 Gbit/s, full duplex, up */
    const uint16_t idle = 0x103;           /* FifoStatus (0xe2): all FIFOs are empty */
    memset(bar, 0, BAR_BYTES);
    memcpy(bar + 0x40, &tx_config, sizeof tx_config);
    memcpy(bar + 0x6c, &phy_status, sizeof phy_status);
    memcpy(bar + 0xe2, &idle, sizeof idle);
    bar[0xd3] = 0x30; /* MCU: both FIFOs are empty */
    memcpy(bar + 0x19e0, address, sizeof address);
}

static inline void answer(struct commander *commander, volatile uint8_t *bar) {
    for (unsigned i = 0; i < COMMANDS; i++) {
        volatile uint32_t *command = (volatile uint32_t *)(bar + commands[i]);
        uint32_t value = *command;
        if (value == commander->answered[i]) continue;
        *command = commander->answered[i] = value ^ DONE;
    }
    volatile uint32_t *counters = (volatile uint32_t *)(bar + COUNTER_ADDRESS);
    if (*counters & COUNTER_COMMANDS) *counters &= ~(uint32_t)COUNTER_COMMANDS;
    if (bar[CHIP_COMMAND] & RESET_AND_STOP) bar[CHIP_COMMAND] &= (uint8_t)~RESET_AND_STOP;
}

#endif
