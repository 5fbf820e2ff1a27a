/**
 * The serial EEPROM of the older chips, a 93C46 or 93C56 on four pins that a driver controls through Cfg9346; and the
 * layout of its contents. Source: RTL8169 register table (9346CR); FreeBSD `if_rlreg.h` (RL_EE_*, RL_EECMD_*).
 */

/** Fields of Cfg9346: its mode and the value for programming, then the pins. Bit 0 is the EEPROM's output. */
export const Pins = {
  mode: 0xc0,
  programming: 0x80,
  select: 1 << 3,
  clock: 1 << 2,
  input: 1 << 1,
  output: 1 << 0,
} as const;

/** Start bit and opcode of a read. */
export const READ = 0b110;
/** Number of address bits of a 93C56 and a 93C46. A driver uses the number that lets it read the signature. */
export const ADDRESS_BITS = [8, 6] as const;
/** Number of 16-bit words, by number of address bits. A 93C56 ignores the highest address bit. */
export const EEPROM_WORDS = { 6: 64, 8: 128 } as const;

/** Value of word 0. */
export const SIGNATURE = 0x8129;
/** The first of three words of the station address, low byte first. */
export const MAC_WORD = 7;
