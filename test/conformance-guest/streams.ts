/** iperf3 streams between both ends of the cable. Each stream has a server of its own, which ends with it. */
import type { Background } from "../rigs/background.ts";
import { FAR, type Rig } from "../guest/rig.ts";

/** The fields of iperf3's report that are used. */
export interface Sums {
  readonly sum_sent: { readonly bytes: number };
  readonly sum_received: { readonly bytes: number; readonly bits_per_second: number };
  /** Only UDP streams have these fields. */
  readonly sum: { readonly packets: number; readonly lost_packets: number };
}

export const PORT = 5201;

/** Starts a server at the far end; resolves when it listens. */
export const serveStreams = async ({ far }: Pick<Rig, "far">, port = PORT): Promise<Background> => {
  const server = await far.start(`iperf3 -s -p ${port} --forceflush`);
  await server.waitFor(/listening/i);
  return server;
};

/**
 * Runs iperf3 in the guest with these arguments, which should limit the amount of data, not the time.
 * @param to the far end's address
 * @throws {Error}
 */
export const stream = async (rig: Rig, args: string, to: string = FAR.ipv4, port = PORT): Promise<Sums> => {
  await using _server = await serveStreams(rig, port);
  return (JSON.parse(await rig.guest.mustRun(`iperf3 -J -c ${to} -p ${port} ${args}`)) as { end: Sums }).end;
};

/** "TCP at 94 Mbit/s", for a test's note. */
export const pace = ({ sum_received }: Sums): string =>
  `TCP at ${(sum_received.bits_per_second / 1e6).toFixed(0)} Mbit/s`;
