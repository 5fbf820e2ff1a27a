/** A thread in a network namespace that serves a file over TCP, or downloads it in several flows at once. */
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { isMainThread, workerData } from "node:worker_threads";
import { NetworkNamespace } from "#sys/namespace.ts";

export interface DownloadsTask {
  readonly namespace: number;
  /** Address of the server. */
  readonly host: string;
  readonly port: number;
  /** The local port of each flow. Undefined for the server. */
  readonly from?: readonly number[];
  /** Words of `DownloadsResult`. */
  readonly result: SharedArrayBuffer;
}

/** Indices of words: `complete` counts downloads; `state` is 1 once the server listens, 2 once all downloads ended. */
export const DownloadsResult = { complete: 0, state: 1, words: 2 } as const;

export const FILE_BYTES = 1 << 20;

const download = async ({ host, port }: DownloadsTask, localPort: number): Promise<boolean> => {
  const socket = connect({ host, port, localPort });
  let bytes = 0;
  socket.on("data", (chunk) => (bytes += chunk.length));
  await once(socket, "close");
  return bytes === FILE_BYTES;
};

const run = async (task: DownloadsTask): Promise<void> => {
  NetworkNamespace.fromFd(task.namespace).enter();
  const result = new Int32Array(task.result);
  if (task.from !== undefined) {
    const complete = await Promise.all(task.from.map((port) => download(task, port)));
    result[DownloadsResult.complete] = complete.filter(Boolean).length;
    Atomics.store(result, DownloadsResult.state, 2);
    return;
  }
  const server = createServer((socket) => void socket.end(Buffer.alloc(FILE_BYTES)));
  server.listen(task.port, task.host);
  await once(server, "listening");
  Atomics.store(result, DownloadsResult.state, 1);
};

if (!isMainThread) await run(workerData as DownloadsTask);
