/** Features of an interface in the kernel: their names, and which are enabled. linux/ethtool.h */
import type { Interfaces } from "./interface.ts";
import { Struct } from "./memory.ts";

const ETHTOOL_GSTRINGS = 0x1b;
const ETHTOOL_GSSET_INFO = 0x37;
const ETHTOOL_GFEATURES = 0x3a;
const ETHTOOL_SFEATURES = 0x3b;
const ETH_SS_FEATURES = 4;
const STRING_BYTES = 32;
/** Largest number of features; the kernel has 64 or a few more. */
const MAX_FEATURES = 128;

export interface DeviceFeature {
  readonly active: boolean;
  readonly requested: boolean;
  /** Whether users may change the feature. */
  readonly changeable: boolean;
}

const called = (interfaces: Interfaces, name: string, command: number, bytes: number, words: readonly number[]) => {
  const struct = new Struct(bytes);
  for (const [i, word] of [command, ...words].entries()) struct.view.setUint32(4 * i, word, true);
  interfaces.ethtool(name, struct, "features");
  return struct;
};

/** Returns the features' names by bit; some bits have no name. */
const names = (interfaces: Interfaces, name: string): readonly string[] => {
  const info = called(interfaces, name, ETHTOOL_GSSET_INFO, 20, [0, 1 << ETH_SS_FEATURES, 0]);
  const count = Math.min(MAX_FEATURES, info.view.getUint32(16, true));
  const { bytes } = called(interfaces, name, ETHTOOL_GSTRINGS, 12 + count * STRING_BYTES, [ETH_SS_FEATURES, count]);
  return Array.from({ length: count }, (_, i) => {
    const text = Buffer.from(bytes.subarray(12 + i * STRING_BYTES, 12 + (i + 1) * STRING_BYTES)).toString("latin1");
    return text.replace(/\0.*$/s, "");
  });
};

/** @throws {SystemError} */
export const deviceFeatures = (interfaces: Interfaces, name: string): ReadonlyMap<string, DeviceFeature> => {
  const known = names(interfaces, name);
  const blocks = Math.ceil(known.length / 32);
  const { view } = called(interfaces, name, ETHTOOL_GFEATURES, 8 + 16 * blocks, [blocks]);
  const bit = (word: number, i: number): boolean =>
    (view.getUint32(8 + 16 * (i >>> 5) + 4 * word, true) & (1 << (i & 31))) !== 0;
  return new Map(
    known.map((feature, i) => [
      feature,
      { active: bit(2, i), requested: bit(1, i), changeable: bit(0, i) && !bit(3, i) },
    ]),
  );
};

/**
 * Requests changes of features by name. Ignores features that the kernel does not know or that users may not change.
 * @throws {SystemError}
 */
export const setDeviceFeatures = (
  interfaces: Interfaces,
  name: string,
  wanted: Readonly<Record<string, boolean>>,
): void => {
  const now = [...deviceFeatures(interfaces, name)];
  const blocks = Math.ceil(now.length / 32);
  const words = Array.from({ length: 2 * blocks }, () => 0);
  for (const [i, [feature, { changeable }]] of now.entries()) {
    const on = wanted[feature];
    if (on === undefined || !changeable) continue;
    words[2 * (i >>> 5)]! |= 1 << (i & 31);
    if (on) words[2 * (i >>> 5) + 1]! |= 1 << (i & 31);
  }
  called(interfaces, name, ETHTOOL_SFEATURES, 8 + 8 * blocks, [blocks, ...words.map((word) => word >>> 0)]);
};
