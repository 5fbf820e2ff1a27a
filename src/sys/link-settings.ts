/** Link settings of an interface as `ethtool` shows them: speed, duplex, autonegotiation. */
import { Errno, SystemError } from "./errno.ts";
import type { Interfaces } from "./interface.ts";
import { Struct } from "./memory.ts";

/** linux/ethtool.h */
const ETHTOOL_GLINKSETTINGS = 0x4c;
const ETHTOOL_SLINKSETTINGS = 0x4d;
const SPEED_UNKNOWN = 0xffff_ffff;
const Duplex = { half: 0, full: 1, unknown: 0xff } as const;
const PORT_TWISTED_PAIR = 0;
const AUTONEG_ENABLE = 1;

/** struct ethtool_link_settings. Three masks of link modes follow it; the kernel reports how many words a mask has. */
const Offset = { command: 0, speed: 4, duplex: 8, port: 9, autonegotiation: 11, maskWords: 15 } as const;
const SETTINGS_BYTES = 48;
const MASKS = 3;
const MAX_MASK_WORDS = 127;

export interface LinkMode {
  readonly up: boolean;
  /** Speed in Mbit/s. */
  readonly speed: number;
  readonly fullDuplex: boolean;
}

/** The current settings; undefined if the kernel does not know them. @throws {SystemError} */
export const linkSettings = (interfaces: Interfaces, name: string): LinkMode | undefined => {
  const { view } = read(interfaces, name);
  const speed = view.getUint32(Offset.speed, true);
  const duplex = view.getUint8(Offset.duplex);
  return speed === SPEED_UNKNOWN || duplex === Duplex.unknown
    ? undefined
    : { up: true, speed, fullDuplex: duplex === Duplex.full };
};

/**
 * Sets the link mode that an interface reports: unknown speed and duplex while the link is down. TAPs support this
 * since Linux 5.1.
 * @returns false if the kernel does not support it, or this process is not permitted
 * @throws {SystemError}
 */
export const setLinkSettings = (interfaces: Interfaces, name: string, { up, speed, fullDuplex }: LinkMode): boolean => {
  try {
    const settings = read(interfaces, name);
    const { view } = settings;
    view.setUint32(Offset.command, ETHTOOL_SLINKSETTINGS, true);
    view.setUint32(Offset.speed, up ? speed : SPEED_UNKNOWN, true);
    view.setUint8(Offset.duplex, up ? (fullDuplex ? Duplex.full : Duplex.half) : Duplex.unknown);
    view.setUint8(Offset.port, PORT_TWISTED_PAIR);
    view.setUint8(Offset.autonegotiation, AUTONEG_ENABLE);
    interfaces.ethtool(name, settings, `link settings of ${name}`);
    return true;
  } catch (error) {
    if (error instanceof SystemError && (error.errno === Errno.EOPNOTSUPP || error.errno === Errno.EPERM)) return false;
    throw error;
  }
};

/**
 * Reads the settings in two calls: when asked for masks of 0 words, the kernel returns the negated number of words; the
 * second call gets the masks.
 */
const read = (interfaces: Interfaces, name: string): Struct => {
  const what = `link settings of ${name}`;
  const settings = new Struct(SETTINGS_BYTES + MASKS * MAX_MASK_WORDS * 4);
  const { view } = settings;
  view.setUint32(Offset.command, ETHTOOL_GLINKSETTINGS, true);
  interfaces.ethtool(name, settings, what);
  const words = -view.getInt8(Offset.maskWords);
  if (words <= 0) throw new SystemError({ errno: Errno.EPROTO, syscall: "ethtool", detail: what });
  view.setUint32(Offset.command, ETHTOOL_GLINKSETTINGS, true);
  view.setInt8(Offset.maskWords, words);
  interfaces.ethtool(name, settings, what);
  return settings;
};
