/**
 * Firmware files (`rtl_nic/*.fw`): their format, checks, and an interpreter. A file contains a program of 32-bit words
 * that reads and writes registers of the PHY or of the MAC controller. Files are not trusted: everything that can be
 * checked is checked before the first word is executed, and the steps and the time of a program are limited.
 */
import { BMCR, Bmcr, PAGE } from "#chip/phy.ts";
import { type Clock, until } from "#kit/clock.ts";
import { FerruleError, OutOfRange } from "#kit/errors.ts";
import type { PhyBus } from "./phy-bus.ts";

/** The file is not a firmware file, is damaged, or contains instructions that no firmware of this family uses. */
export class BadFirmware extends FerruleError {
  readonly code = "BAD_FIRMWARE";
  readonly hint =
    "Install the distribution's file again (Debian: firmware-realtek), or use --firmware with another folder.";
  readonly file: string;
  constructor(file: string, what: string) {
    super(`${file}: ${what}`);
    this.file = file;
  }
}

export interface Program {
  readonly file: string;
  /** The version in the file's header; the file's name if it has no header. */
  readonly version: string;
  readonly words: Uint32Array;
}

/** The instruction: bits 31:28 of a word. Bits 27:16 are a register or a number of words, bits 15:0 are data. */
const Op = {
  read: 0,
  or: 1,
  and: 2,
  jumpBack: 3,
  /**
   * Selects the registers that the next instructions access: with data 1, those of the MAC controller; with 0, those of
   * the PHY.
   */
  choose: 4,
  clearReads: 7,
  write: 8,
  skipAtReads: 9,
  skipIfEqual: 10,
  skipUnlessEqual: 11,
  writePrevious: 12,
  skip: 13,
  delayMillis: 14,
} as const;

const opOf = (word: number): number => word >>> 28;
const registerOf = (word: number): number => (word >>> 16) & 0xfff;
const dataOf = (word: number): number => word & 0xffff;

/** Limit of a file's size: thirty times the family's largest file. */
const LARGEST_BYTES = 1 << 20;
/** Limit of one delay. The longest in any known file is 3 ms. */
const MAX_DELAY_MILLIS = 100;
const LAST_PHY_REGISTER = 0x1f;

/**
 * The header: a zero word; the version (32 bytes); the offset of the program in bytes; the program's length in words;
 * and a byte that makes the sum of all bytes of the file 0.
 */
const VERSION_AT = 4;
const VERSION_BYTES = 32;
const START_AT = 36;
const LENGTH_AT = 40;
const HEADER_BYTES = 45;

/** @throws {BadFirmware} */
export const parseFirmware = (bytes: Uint8Array, file: string): Program => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const { start, length, version } = contentOf(view, file);
  const words = Uint32Array.from({ length }, (_, i) => view.getUint32(start + 4 * i, true));
  check(words, file);
  return { file, version, words };
};

const contentOf = (view: DataView, file: string): { start: number; length: number; version: string } => {
  const size = view.byteLength;
  if (size > LARGEST_BYTES) throw new BadFirmware(file, `${size} bytes are too many for a firmware file`);
  if (size < 4 || (view.getUint32(0, true) !== 0 && size % 4 !== 0))
    throw new BadFirmware(file, `${size} bytes are not a program`);
  if (view.getUint32(0, true) !== 0) return { start: 0, length: size / 4, version: file };
  if (size < HEADER_BYTES) throw new BadFirmware(file, "its header is truncated");
  let sum = 0;
  for (let i = 0; i < size; i++) sum = (sum + view.getUint8(i)) & 0xff;
  if (sum !== 0) throw new BadFirmware(file, "its checksum is wrong");
  const start = view.getUint32(START_AT, true);
  const length = view.getUint32(LENGTH_AT, true);
  if (start > size || length === 0 || length > (size - start) / 4)
    throw new BadFirmware(file, `${length} words at ${start} do not fit into its ${size} bytes`);
  let version = "";
  for (let i = 0; i < VERSION_BYTES && view.getUint8(VERSION_AT + i) !== 0; i++)
    version += String.fromCharCode(view.getUint8(VERSION_AT + i));
  return { start, length, version };
};

/** Checks that every instruction is known, jumps stay inside the program, registers exist, and delays are short. */
const check = (words: Uint32Array, file: string): void => {
  let mac = false;
  words.forEach((word, i) => {
    const [register, data] = [registerOf(word), dataOf(word)];
    const refuse = (what: string): never => {
      throw new BadFirmware(file, `word ${i} (0x${word.toString(16).padStart(8, "0")}) ${what}`);
    };
    const reaches = (target: number): void => {
      if (target >= words.length) refuse("jumps past the end");
    };
    switch (opOf(word)) {
      case Op.read:
      case Op.write:
      case Op.writePrevious:
        if (mac ? register % 2 !== 0 && register !== PAGE : register > LAST_PHY_REGISTER)
          refuse(`uses register 0x${register.toString(16)}, which the ${mac ? "MAC controller" : "PHY"} does not have`);
        break;
      case Op.jumpBack:
        if (register === 0 || register > i) refuse("jumps to itself or before the start");
        break;
      case Op.choose:
        if (data > 1) refuse("selects neither the PHY nor the MAC controller");
        mac = data === 1;
        break;
      case Op.skipAtReads:
        reaches(i + 2);
        break;
      case Op.skipIfEqual:
      case Op.skipUnlessEqual:
      case Op.skip:
        reaches(i + 1 + register);
        break;
      case Op.delayMillis:
        if (data > MAX_DELAY_MILLIS) refuse(`waits ${data} ms`);
        break;
      case Op.or:
      case Op.and:
      case Op.clearReads:
        break;
      default:
        refuse("is not an instruction");
    }
  });
};

/** The registers that a program accesses. */
export interface FirmwareTarget {
  readonly clock: Clock;
  readonly phy: PhyBus;
  /** Registers of the MAC controller: 16 bits at an even address below 0x10000. */
  readonly mac: { read(address: number): number; write(address: number, value: number): void };
}

/** Limit of the number of executed steps. A program that waits for an event that never occurs would loop forever. */
const MAX_STEPS = 200_000;
/** Limit of the sum of a program's delays. */
const MAX_DELAY_MICROS = 2_000_000;
/**
 * Limit of the total time. On a busy emulated processor an access takes up to 10 ms, and a program makes 2,000
 * accesses.
 */
const MAX_MICROS = 60_000_000;
/** Limit of the wait for the PHY if a program ends with a reset of the PHY. */
const RESET_LIMIT_MICROS = 600_000;

interface Registers {
  read(register: number): number;
  write(register: number, value: number): void;
}

/** The PHY's registers as a program sees them: on the page that was last written to register 31. */
const phyRegisters = (phy: PhyBus, file: string): Registers => {
  let page = 0;
  /**
   * Checks pages at run time, because a jump may skip a page selection, and because only the bus knows which pages
   * exist.
   */
  const access = <T>(register: number, act: () => T): T => {
    try {
      if (register <= LAST_PHY_REGISTER) return act();
    } catch (error) {
      if (!(error instanceof OutOfRange)) throw error;
    }
    throw new BadFirmware(
      file,
      `uses register 0x${register.toString(16)} on page 0x${page.toString(16)}, which the PHY does not have`,
    );
  };
  return {
    read: (register) => (register === PAGE ? page : access(register, () => phy.read(register, page))),
    write(register, value) {
      if (register === PAGE) page = value;
      else access(register, () => phy.write(register, value, page));
    },
  };
};

/**
 * The MAC controller's registers as a program sees them: relative to a base, which is the value last written to
 * register 31, times 16.
 */
const macRegisters = ({ mac }: FirmwareTarget): Registers => {
  let base = 0;
  return {
    read: (register) => mac.read((base + register) & 0xfffe),
    write(register, value) {
      if (register === PAGE) base = (value << 4) & 0xffff;
      else mac.write((base + register) & 0xfffe, value);
    },
  };
};

/**
 * Runs a checked program, and waits until the PHY is out of reset. Afterwards the PHY's page is 0.
 * @throws {BadFirmware} if the program does not end or uses a register that the PHY lacks; {SideBusTimeout} if a
 * register does not respond
 */
export const runFirmware = ({ file, words }: Program, target: FirmwareTarget): void => {
  const { clock, phy } = target;
  const spaces = [phyRegisters(phy, file), macRegisters(target)] as const;
  let registers: Registers = spaces[0];
  let value = 0;
  let reads = 0;
  let steps = 0;
  let waited = 0;
  const deadline = clock.now() + MAX_MICROS;
  for (let i = 0; i < words.length; i++) {
    if (++steps > MAX_STEPS || waited > MAX_DELAY_MICROS || clock.now() > deadline)
      throw new BadFirmware(file, `does not end (at word ${i})`);
    const word = words[i]!;
    const [register, data] = [registerOf(word), dataOf(word)];
    switch (opOf(word)) {
      case Op.read:
        value = registers.read(register);
        reads++;
        break;
      case Op.or:
        value |= data;
        break;
      case Op.and:
        value &= data;
        break;
      case Op.jumpBack:
        i -= register + 1;
        break;
      case Op.choose:
        registers = spaces[data]!;
        break;
      case Op.clearReads:
        reads = 0;
        break;
      case Op.write:
        registers.write(register, data);
        break;
      case Op.skipAtReads:
        if (reads === data) i++;
        break;
      case Op.skipIfEqual:
        if (value === data) i += register;
        break;
      case Op.skipUnlessEqual:
        if (value !== data) i += register;
        break;
      case Op.writePrevious:
        registers.write(register, value);
        break;
      case Op.skip:
        i += register;
        break;
      case Op.delayMillis:
        waited += 1000 * data;
        clock.delay(1000 * data);
        break;
    }
  }
  if (!until(clock, RESET_LIMIT_MICROS, 1000, () => (phy.read(BMCR) & Bmcr.reset) === 0))
    throw new BadFirmware(file, "leaves the PHY in reset");
};
