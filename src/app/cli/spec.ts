/** Values on the command line: devices, interfaces, sizes, permissions. */
import { chipsCalled, chipsNear } from "#chip/board-names.ts";
import { LEGACY_CHIPS, CHIPS, type Chip } from "#chip/chips.ts";
import { ASPM_POLICIES, type AspmPolicy, checkAspm } from "#driver/aspm.ts";
import { OutOfRange } from "#kit/errors.ts";
import { isStationAddress } from "#kit/station-address.ts";
import { InvalidMacAddress, parseMac } from "#wire/mac.ts";
import { parseAddress } from "../cards/address.ts";
import { WrongUsage } from "../terminal/usage.ts";
import { formsOf } from "../wake-letters.ts";

const keysOf = (chips: readonly Chip[]): string => chips.map(({ key }) => `\`${key}\``).join(", ");
const ALL_CHIPS_HINT = "`ferrule model chips` lists them all.";

const chipHint = (text: string): string => {
  const ancestor = LEGACY_CHIPS.find(({ key }) => key === text.toLowerCase());
  if (ancestor !== undefined) return `The ${ancestor.name} has no model; a card with it is supported.`;
  const near = chipsNear(text);
  if (near.length === 1) return `Did you mean ${keysOf(near)}? ${ALL_CHIPS_HINT}`;
  return near.length === 0 ? ALL_CHIPS_HINT : `Similar names: ${keysOf(near)}.`;
};

/**
 * Finds a chip by its key, or by another unambiguous name. Case is ignored. @throws {WrongUsage} if the name is unknown
 * or several chips have it
 */
export const parseChip = (text: string): Chip => {
  const [chip, ...others] = chipsCalled(text);
  if (chip === undefined) throw new WrongUsage(`unknown chip "${text}"`, chipHint(text));
  if (others.length > 0)
    throw new WrongUsage(`"${text}" matches ${others.length + 1} chips`, `Choose one of ${keysOf([chip, ...others])}.`);
  return chip;
};

const DEVICE_HINT =
  "Write a card's address as `ferrule list` shows it, model:CHIP (for example model:rtl8168h) or vfio-user:PATH.";

/** A device as given by the user. */
export type Device =
  | { readonly kind: "model"; readonly chip: Chip }
  /** A NIC behind a server's socket. */
  | { readonly kind: "vfio-user"; readonly path: string }
  /** A card in a slot, by its address in the kernel's form. */
  | { readonly kind: "pci"; readonly address: string };

/** Parses DEVICE: `model:CHIP`, `vfio-user:PATH` or a PCI address, with or without its domain. */
export const parseDevice = (text: string): Device => {
  if (text.startsWith("model:")) return { kind: "model", chip: parseChip(text.slice("model:".length)) };
  if (text.startsWith("vfio-user:")) {
    const path = text.slice("vfio-user:".length);
    if (path === "")
      throw new WrongUsage("the device vfio-user: has no path", "Write vfio-user:PATH, as given to --socket.");
    return { kind: "vfio-user", path };
  }
  const address = parseAddress(text);
  if (address !== undefined) return { kind: "pci", address };
  const [chip] = chipsCalled(text);
  const hint = chip === undefined ? DEVICE_HINT : `Did you mean \`model:${chip.key}\`?`;
  throw new WrongUsage(`unknown device "${text}"`, hint);
};

/** Every IPv4 host must forward packets of 68 bytes without fragmenting them (RFC 791). */
const SMALLEST_MTU = 68;

const LARGEST_MTU = Math.max(...CHIPS.map((chip) => chip.largestMtu));

/**
 * Parses an MTU, in bytes of layer 3. It must be one that the chip supports or, if the chip is not known yet, that some
 * chip supports.
 */
export const parseMtu = (text: string, chip?: Chip): number => {
  const mtu = /^\d{1,6}$/.test(text) ? Number(text) : Number.NaN;
  const largest = chip?.largestMtu ?? LARGEST_MTU;
  if (!(mtu >= SMALLEST_MTU && mtu <= largest))
    throw new WrongUsage(
      `"${text}" is not a valid MTU for ${chip?.name ?? "any chip"}`,
      `Choose ${SMALLEST_MTU} to ${largest} bytes.`,
    );
  return mtu;
};

/** Smallest number of descriptors: a smaller ring loses frames whenever the host pauses. */
const SMALLEST_RING = 64;

const LARGEST_RING = Math.max(...CHIPS.map(({ profile }) => profile.frames.ringLimit));

/**
 * Parses the number of descriptors in each ring: a power of two that the chip supports or, if the chip is not known
 * yet, that some chip supports.
 */
export const parseRings = (text: string, chip?: Chip): number => {
  const slots = /^\d{1,6}$/.test(text) ? Number(text) : Number.NaN;
  const largest = chip?.profile.frames.ringLimit ?? LARGEST_RING;
  if (!(slots >= SMALLEST_RING && slots <= largest && Number.isInteger(Math.log2(slots))))
    throw new WrongUsage(
      `"${text}" is not a valid number of descriptors for ${chip?.name ?? "any chip"}`,
      `Choose a power of two from ${SMALLEST_RING} to ${largest}.`,
    );
  return slots;
};

const LONGEST_WAIT = 86_400;

/** Parses the number of seconds to wait for a card. @throws {WrongUsage} */
export const parseWait = (text: string): number => {
  const seconds = /^\d{1,5}(\.\d{1,3})?$/.test(text) ? Number(text) : Number.NaN;
  if (!(seconds <= LONGEST_WAIT))
    throw new WrongUsage(`--wait-for-card takes seconds, not "${text}"`, `Choose 0 to ${LONGEST_WAIT}.`);
  return seconds;
};

/**
 * Shortest time without a link, in seconds. It is longer than a negotiation, which takes three seconds, or more with a
 * slow partner.
 */
const SHORTEST_IDLE = 5;

/** Parses the number of seconds without a link after which a NIC sleeps. @throws {WrongUsage} */
export const parseIdle = (text: string): number => {
  const seconds = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (!(seconds >= SHORTEST_IDLE && seconds <= LONGEST_WAIT))
    throw new WrongUsage(
      `--sleep-without-link takes seconds, not "${text}"`,
      `Choose ${SHORTEST_IDLE} to ${LONGEST_WAIT}; a link takes some seconds to come up.`,
    );
  return seconds;
};

const MAX_QUEUES = Math.max(...CHIPS.map(({ profile }) => profile.queues.receive));

/**
 * Parses the number of receive queues.
 * @param chip undefined if it is not known yet
 * @throws {WrongUsage}
 */
export const parseQueues = (text: string, chip?: Chip): number => {
  const queues = /^\d$/.test(text) ? Number(text) : Number.NaN;
  const largest = chip?.profile.queues.receive ?? MAX_QUEUES;
  if (queues <= largest && Number.isInteger(Math.log2(queues))) return queues;
  throw new WrongUsage(
    `"${text}" is not a valid number of queues for ${chip?.name ?? "any chip"}`,
    largest === 1 ? "This chip has one queue: omit --queues." : `Choose a power of two up to ${largest}.`,
  );
};

/** Parses a policy for the PCI Express link, which the chip must support. */
export const parseAspm = (text: string, chip?: Chip): AspmPolicy => {
  const policy = ASPM_POLICIES.find((each) => each === text);
  if (policy === undefined)
    throw new WrongUsage(`unknown ASPM policy "${text}"`, `Choose one of ${ASPM_POLICIES.join(", ")}.`);
  return chip === undefined ? policy : checkAspm(chip, policy);
};

const FACTORS = { "": 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 } as const;
const MAX_BYTES = 2 ** 40;

/** Parses an amount of data: a number of bytes, or a number followed by K, M or G for powers of 1024. */
export const parseBytes = (text: string): number => {
  const parts = /^(\d+(?:\.\d+)?)([KMG]?)(?:i?B)?$/i.exec(text);
  const factor = FACTORS[(parts?.[2] ?? "").toUpperCase() as keyof typeof FACTORS];
  const bytes = parts === null ? Number.NaN : Math.round(Number(parts[1]) * factor);
  if (!(bytes >= 1 && bytes <= MAX_BYTES))
    throw new WrongUsage(
      `"${text}" is not an amount of data`,
      "Write bytes, or a number with K, M or G: 512K, 64M, 1G (at most 1024G).",
    );
  return bytes;
};

/**
 * Parses a unicast MAC address.
 * @throws {WrongUsage}
 */
export const parseStationAddress = (text: string): Uint8Array => {
  try {
    const bytes = parseMac(text);
    if (isStationAddress(bytes)) return bytes;
  } catch (error) {
    if (error instanceof InvalidMacAddress) throw new WrongUsage(error.message, error.hint);
    throw error;
  }
  throw new WrongUsage(
    `${text} is not a unicast MAC address`,
    "The first byte must be even, and the address not all zeros: 02:00:5e:10:00:01.",
  );
};

/** Parses the permissions of a socket's file. @throws {WrongUsage} */
export const parseSocketMode = (text: string | undefined): number | undefined => {
  if (text === undefined) return undefined;
  const mode = /^0?[0-7]{3}$/.test(text) ? Number.parseInt(text, 8) : 0;
  // Without read and write permission for the owner, nobody could connect, and the socket would look like one that a
  // dead server left.
  if ((mode & 0o600) !== 0o600)
    throw new WrongUsage(
      `--socket-mode takes permissions in octal digits, not "${text}"`,
      "Use 600 for this user only, 660 for its group too, 666 for everybody.",
    );
  return mode;
};

/** Checks wake-up events, in ethtool's letters. @throws {WrongUsage} */
export const parseWake = (text: string): string => {
  try {
    formsOf(text);
    return text;
  } catch (error) {
    throw error instanceof OutOfRange ? new WrongUsage(`--wake: ${error.message}`, error.hint) : error;
  }
};
