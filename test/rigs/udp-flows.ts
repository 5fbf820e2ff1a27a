/**
 * A thread in a network namespace that sends numbered datagrams in several flows to an echo server, or is that server.
 */
import { type Socket, createSocket } from "node:dgram";
import { once } from "node:events";
import { isMainThread, workerData } from "node:worker_threads";
import { NetworkNamespace } from "#sys/namespace.ts";

export interface FlowsTask {
  readonly namespace: number;
  /** Address of the echo server. */
  readonly host: string;
  readonly port: number;
  /** What to send; undefined in the echo server's thread. */
  readonly send?: {
    /** The local port of each flow. */
    readonly from: readonly number[];
    /** Datagrams of each flow. */
    readonly datagrams: number;
  };
  /** Words of `FlowsResult`. */
  readonly result: SharedArrayBuffer;
}

/** Indices of the words of `FlowsTask.result`. */
export const FlowsResult = {
  /** Number of datagrams that came back in order. */
  good: 0,
  /**
   * Number of datagrams that came back damaged, or whose number does not follow that of the previous one, as after a
   * loss.
   */
  bad: 1,
  /** 1 once the echo server is ready, 2 once the sender is done. */
  state: 2,
  /** Number of words. */
  words: 3,
} as const;

/** Number of a flow's datagrams in flight: fewer than any buffer between the two ends holds. */
const WINDOW = 4;
const BYTES = 600;

const opened = async (port: number): Promise<Socket> => {
  const socket = createSocket({ type: "udp4", recvBufferSize: 4 << 20, sendBufferSize: 4 << 20 });
  socket.bind(port);
  await once(socket, "listening");
  return socket;
};

const flow = async ({ host, port }: FlowsTask, from: number, datagrams: number, result: Int32Array): Promise<void> => {
  const socket = await opened(from);
  const { promise, resolve } = Promise.withResolvers<void>();
  let [sent, expected] = [0, 0];
  const next = (): void => {
    const datagram = Buffer.alloc(BYTES, sent);
    datagram.writeUInt32BE(sent++);
    socket.send(datagram, port, host);
  };
  socket.on("message", (datagram) => {
    const number = datagram.readUInt32BE();
    const isNext = number === expected && datagram.length === BYTES && datagram[BYTES - 1] === (number & 0xff);
    Atomics.add(result, isNext ? FlowsResult.good : FlowsResult.bad, 1);
    expected = number + 1;
    if (sent < datagrams) next();
    if (expected === datagrams) resolve();
  });
  for (let i = 0; i < Math.min(WINDOW, datagrams); i++) next();
  await promise;
  socket.close();
};

const run = async (task: FlowsTask): Promise<void> => {
  NetworkNamespace.fromFd(task.namespace).enter();
  const result = new Int32Array(task.result);
  if (task.send !== undefined) {
    // One datagram is sent first, so that the kernel resolves the address. Until then, the kernel keeps only a few
    // datagrams and drops the others.
    const { from, datagrams } = task.send;
    await flow(task, 0, 1, new Int32Array(FlowsResult.words));
    await Promise.all(from.map((port) => flow(task, port, datagrams, result)));
    Atomics.store(result, FlowsResult.state, 2);
    return;
  }
  const echo = createSocket({ type: "udp4", recvBufferSize: 4 << 20, sendBufferSize: 4 << 20 });
  echo.on("message", (datagram, { address, port }) => echo.send(datagram, port, address));
  echo.bind(task.port, task.host);
  await once(echo, "listening");
  Atomics.store(result, FlowsResult.state, 1);
};

if (!isMainThread) await run(workerData as FlowsTask);
