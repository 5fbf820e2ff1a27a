/** Time stamping abilities of an interface, as the kernel reports them. */
import type { Interfaces } from "./interface.ts";
import { Struct } from "./memory.ts";

/** linux/ethtool.h: struct ethtool_ts_info. */
const ETHTOOL_GET_TS_INFO = 0x41;
const BYTES = 44;
const Offset = { command: 0, capabilities: 4, clock: 8, transmit: 12, receive: 28 } as const;

export interface Timestamping {
  /** Bits of SOF_TIMESTAMPING_* (linux/net_tstamp.h). */
  readonly capabilities: number;
  /** Index of the PTP hardware clock; -1 if there is none. */
  readonly clock: number;
  /** Transmit modes: one bit for each number of HWTSTAMP_TX_*. */
  readonly transmit: number;
  /** Receive modes: one bit for each number of HWTSTAMP_FILTER_*. */
  readonly receive: number;
}

/** @throws {SystemError} */
export const timestamping = (interfaces: Interfaces, name: string): Timestamping => {
  const info = new Struct(BYTES);
  const { view } = info;
  view.setUint32(Offset.command, ETHTOOL_GET_TS_INFO, true);
  interfaces.ethtool(name, info, `time stamping of ${name}`);
  return {
    capabilities: view.getUint32(Offset.capabilities, true),
    clock: view.getInt32(Offset.clock, true),
    transmit: view.getUint32(Offset.transmit, true),
    receive: view.getUint32(Offset.receive, true),
  };
};
