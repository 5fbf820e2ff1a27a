/** Two cards behind one conventional PCI bridge, which share an IOMMU group, and one in a hot-plug slot. */
import { card } from "./machine.ts";

export const FIRST = "0000:02:01.0";
export const SECOND = "0000:02:02.0";
export const PLUGGED = "0000:03:00.0";

const port = (id: string, chassis: number, addr: number): readonly string[] => [
  "-device",
  `pcie-root-port,id=${id},chassis=${chassis},slot=${chassis},bus=pcie.0,addr=${addr}`,
];

/** Arguments for QEMU. */
export const bridged = (): readonly string[] => [
  ...port("root1", 1, 6),
  "-device",
  "pcie-pci-bridge,id=bridge,bus=root1",
  ...card("first", "bus=bridge,addr=1"),
  ...card("second", "bus=bridge,addr=2"),
  ...port("root2", 2, 7),
  ...card("plugged", "bus=root2"),
];
