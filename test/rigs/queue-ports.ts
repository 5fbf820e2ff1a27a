/** Ports whose flows a NIC with RSS receives in known queues. */

/** An IPv4 address and a port. */
type End = readonly [address: string, port: number];

export interface Flow {
  readonly source: End;
  readonly destination: End;
}

const bit = (bytes: Uint8Array, at: number): number => (bytes[at >> 3]! >> (7 - (at & 7))) & 1;

/** The Toeplitz hash as Microsoft defines it: the model, which has a quicker form of it, must not be its own judge. */
const toeplitz = (key: Uint8Array, input: Uint8Array): number => {
  let sum = 0;
  for (let at = 0; at < 8 * input.length; at++)
    if (bit(input, at) === 1) for (let i = 0; i < 32; i++) sum ^= bit(key, at + i) << (31 - i);
  return sum >>> 0;
};

const hashOf = (key: Uint8Array, { source, destination }: Flow): number => {
  const addresses = [source, destination].flatMap(([address]) => address.split(".").map(Number));
  const ports = [source, destination].flatMap(([, port]) => [port >> 8, port & 0xff]);
  return toeplitz(key, Uint8Array.from([...addresses, ...ports]));
};

/**
 * The `flows` lowest ports of each queue, queue after queue. @param queues a power of 2, over which the table spreads
 * the hashes evenly @param flowOf the flow of a port
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
