/** `-i`: which driver, firmware and device an interface has. */
import type { Operation } from "../operations.ts";

/** `firmware` is empty where the PHY runs without. */
export const driver: Operation = ({ nic, bus }) => ({ chip: nic.chip.name, firmware: nic.firmware ?? "", bus });
