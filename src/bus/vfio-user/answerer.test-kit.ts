/** A client's second thread: replies to a given number of memory requests of the server. */
import { parentPort, workerData } from "node:worker_threads";
import { Fd } from "#sys/fd.ts";
import { Poller } from "#sys/poll.ts";
import { UnixSocket } from "#sys/unix-socket.ts";
import { u32, u64 } from "./codec.ts";
import { message } from "./peer.test-kit.ts";
import { Command, DMA_ADDRESS, DMA_COUNT, DMA_DATA, Flag, SIZE } from "./protocol.ts";

export interface AnswererTask {
  /** The client's socket, which this thread uses but does not close. */
  readonly socket: number;
  readonly questions: number;
}

/** The byte that the client's memory contains at an address. */
export const contentAt = (address: number): number => (address * 7) & 0xff;

const serve = ({ socket, questions }: AnswererTask): void => {
  const peer = new UnixSocket(new Fd(socket, "the client's socket"));
  const poller = new Poller([socket]);
  const into = new Uint8Array(1 << 20);
  let end = 0;
  const counts: number[] = [];
  while (counts.length < questions && poller.wait(60_000) > 0) {
    const incoming = peer.receive(into.subarray(end));
    if (incoming === undefined || incoming.length === 0) break;
    end += incoming.length;
    for (let size = u32(into, SIZE); end >= 16 && end >= size; size = u32(into, SIZE)) {
      const command = into[2]! | (into[3]! << 8);
      const id = into[0]! | (into[1]! << 8);
      if ((u32(into, 8) & Flag.typeMask) === Flag.request) {
        const count = u64(into, DMA_COUNT);
        const address = u64(into, DMA_ADDRESS);
        const data = Uint8Array.from({ length: command === Command.dmaRead ? count : 0 }, (_, i) =>
          contentAt(address + i),
        );
        const body = new Uint8Array(16 + data.length);
        body.set(into.subarray(DMA_ADDRESS, DMA_DATA));
        body.set(data, 16);
        peer.send(message(id, command, body, Flag.reply));
        counts.push(count);
      }
      into.copyWithin(0, size, end);
      end -= size;
    }
  }
  parentPort!.postMessage(counts);
};

if (parentPort !== null) serve(workerData as AnswererTask);
