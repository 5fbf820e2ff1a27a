/** Every operation of `ferrule ethtool` in the driver's thread, by the name under which it is requested. */
import type { Operation } from "../operations.ts";
import { driver } from "./driver.ts";
import { queues } from "./queues.ts";

export const OPERATIONS: Readonly<Record<string, Operation>> = { driver, queues };
