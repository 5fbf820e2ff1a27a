/** A thread in a network namespace that sends bytes over TCP to an echo server and compares what comes back. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { workerData } from "node:worker_threads";
import { NetworkNamespace } from "#sys/namespace.ts";

export interface EchoTask {
  readonly namespace: number;
  readonly host: string;
  readonly port: number;
  readonly bytes: number;
  /** One word: the number of bytes that came back unchanged, or -1 after a difference or an error of the socket. */
  readonly progress: SharedArrayBuffer;
}

const byteAt = (i: number): number => (i * 31 + (i >>> 8) * 7 + (i >>> 16)) & 0xff;

const run = async ({ namespace, host, port, bytes, progress }: EchoTask): Promise<void> => {
  const good = new Int32Array(progress);
  NetworkNamespace.fromFd(namespace).enter();
  const socket = connect({ host, port });
  await once(socket, "connect");
  let back = 0;
  socket.on("data", (chunk: Buffer) => {
    const intact = chunk.every((byte, i) => byte === byteAt(back + i));
    back += chunk.length;
    Atomics.store(good, 0, intact ? back : -1);
    if (back >= bytes || !intact) socket.destroy();
  });
  socket.on("error", () => Atomics.store(good, 0, -1));
  const all = Buffer.from(Uint8Array.from({ length: bytes }, (_, i) => byteAt(i)));
  socket.write(all);
  await once(socket, "close");
  assert.equal(back, bytes);
};

await run(workerData as EchoTask);
