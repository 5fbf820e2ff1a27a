/**
 * Registers and status bits of each management controller (DASH). Sources: DPDK `drivers/net/r8169/r8169_dash.c` for EP
 * and BP; for DP, which DPDK does not support, the values that Linux's driver expects.
 */
export interface ManagementRegisters {
  /** The bit that shows that the controller's firmware is present and enabled. */
  readonly enabled: readonly [address: number, bit: number];
  /** The bit that shows that the firmware has acknowledged the driver. */
  readonly ready: readonly [address: number, bit: number];
  /**
   * Addresses of the driver's message, of the doorbell for it, and of the version. `word` is undefined on the 8168DP,
   * which has its message elsewhere.
   */
  readonly word: number | undefined;
  readonly bell: number;
  readonly version: number | undefined;
  /** The registers are accessed as extended registers of type OOB. If false, they are accessed through OCPAR. */
  readonly outOfBand: boolean;
}

const DP = { word: undefined, bell: 0x30, version: undefined, outOfBand: false } as const;
export const DP_28A: ManagementRegisters = { ...DP, enabled: [0x10, 1 << 15], ready: [0x10, 1 << 11] };
export const DP_28B: ManagementRegisters = { ...DP, enabled: [0xb8, 1 << 15], ready: [0xb8, 1 << 11] };
export const EP: ManagementRegisters = {
  enabled: [0x128, 1],
  ready: [0x124, 1],
  word: 0x180,
  bell: 0x30,
  version: 0x120,
  outOfBand: true,
};
export const BP: ManagementRegisters = { ...EP, word: 0x14, bell: 0x10 };
