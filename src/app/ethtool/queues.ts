/** `-S`, as far as it is by queue: frames of each queue. */
import type { Operation } from "../operations.ts";

export const queues: Operation = ({ queueCounts }) => ({ counts: queueCounts() });
