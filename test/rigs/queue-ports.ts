/** Finds, for each queue of a NIC with RSS, ports whose flows the NIC receives in that queue. */
import { toeplitz } from "#model/frames/rss.test-kit.ts";

/** An IPv4 address and a port. */
type End = readonly [address: string, port: number];

export interface Flow {
  readonly source: End;
  readonly destination: End;
}

const hashOf = (key: Uint8Array, { source, destination }: Flow): number => {
  const addresses = [source, destination].flatMap(([address]) => address.split(".").map(Number));
  const ports = [source, destination].flatMap(([, port]) => [port >> 8, port & 0xff]);
  return toeplitz(key, [...addresses, ...ports]);
};

/**
 * For each queue in turn, the `flows` lowest ports from 5300 on whose flows the NIC receives in that queue. @param
 * queues a power of 2, over which the table spreads the hashes evenly @param flowOf the flow of a port
 */
export const portsOfQueues = (
  { key, queues, flows }: { readonly key: Uint8Array; readonly queues: number; readonly flows: number },
  flowOf: (port: number) => Flow,
): readonly number[] => {
  const ports = Array.from({ length: 1000 }, (_, i) => 5300 + i);
  return Array.from({ length: queues }, (_, queue) =>
    ports.filter((port) => hashOf(key, flowOf(port)) % queues === queue).slice(0, flows),
  ).flat();
};
