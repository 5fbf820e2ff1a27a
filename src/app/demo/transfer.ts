/** One HTTP transfer: the sender and the receiver. Both compute the digest of the data. */
import { createHash } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { pipeline } from "node:stream/promises";
import { content } from "./content.ts";
import { TransferFailed } from "./peer-messages.ts";

// An `import` would load everything that the module exports, including a WebSocket. That would take longer than the
// rest of the start.
const { createServer, get } = process.getBuiltinModule("node:http");

/** Time in milliseconds without a byte after which a transfer is aborted. */
const STALL = 10_000;
/** Buffer size of the streams in bytes. It is large enough to keep the socket's buffer full. */
const SEND_BUFFER_BYTES = 4 * 2 ** 20;

export interface Offer {
  readonly port: number;
  /** Resolves with the digest of the sent data, once all of the data has been passed to the kernel. */
  readonly sent: Promise<string>;
}

const send = async (response: ServerResponse, bytes: number, seed: number): Promise<string> => {
  const hash = createHash("sha256");
  const blocks = function* () {
    for (const block of content(bytes, seed)) {
      hash.update(block);
      yield block;
    }
  };
  response.writeHead(200, { "content-type": "application/octet-stream", "content-length": bytes });
  await pipeline(blocks, response);
  return hash.digest("hex");
};

/** Serves the content once, to the first client. */
export const offer = async (address: string, bytes: number, seed: number): Promise<Offer> => {
  const sent = Promise.withResolvers<string>();
  // The promise may be rejected before it is awaited; a later await still gets the error.
  sent.promise.catch(() => undefined);
  const server = createServer({ highWaterMark: SEND_BUFFER_BYTES, noDelay: true });
  server.once("request", (_request: IncomingMessage, response: ServerResponse) => {
    response.socket?.setTimeout(STALL, () =>
      response.destroy(new TransferFailed("TRANSFER_STALLED", `nothing could be sent for ${STALL / 1000} s`)),
    );
    send(response, bytes, seed).then(sent.resolve, sent.reject);
    server.close();
  });
  const { promise: listening, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  server.listen(0, address, resolve);
  await listening;
  return { port: (server.address() as AddressInfo).port, sent: sent.promise };
};

const respond = (address: string, port: number): Promise<IncomingMessage> => {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const request = get({ host: address, port, agent: false, timeout: STALL }, resolve);
  request.once("error", reject);
  request.once("timeout", () =>
    request.destroy(new TransferFailed("TRANSFER_STALLED", `nothing arrived for ${STALL / 1000} s`)),
  );
  return promise;
};

export interface Downloaded {
  readonly sha256: string;
  readonly bytes: number;
  readonly seconds: number;
}

/**
 * Downloads the offered content.
 * @throws {TransferFailed} if it stalls or the connection breaks; the system's error if no connection is made
 */
export const download = async (
  address: string,
  port: number,
  bytes: number,
  progress: (bytes: number) => void,
): Promise<Downloaded> => {
  const start = performance.now();
  const response = await respond(address, port);
  const hash = createHash("sha256");
  let arrived = 0;
  try {
    for await (const chunk of response as AsyncIterable<Uint8Array>) {
      hash.update(chunk);
      arrived += chunk.length;
      progress(arrived);
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ECONNRESET") throw error;
    throw new TransferFailed("TRANSFER_CUT", `the connection broke after ${arrived} of ${bytes} bytes`);
  }
  if (arrived !== bytes)
    throw new TransferFailed("TRANSFER_CUT", `the transfer ended after ${arrived} of ${bytes} bytes`);
  return { sha256: hash.digest("hex"), bytes: arrived, seconds: (performance.now() - start) / 1000 };
};
