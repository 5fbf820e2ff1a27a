import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { content } from "./content.ts";
import { TransferFailed } from "./peer-messages.ts";
import { download, offer } from "./transfer.ts";

const LOCAL = "127.0.0.1";

test("offered content arrives, and both ends compute its digest", async () => {
  const bytes = 3_000_001;
  const { port, sent } = await offer(LOCAL, bytes, 7);
  let seen = 0;
  const got = await download(LOCAL, port, bytes, (now) => (seen = now));
  const hash = createHash("sha256");
  for (const block of content(bytes, 7)) hash.update(block);
  assert.equal(got.sha256, hash.digest("hex"));
  assert.equal(await sent, got.sha256);
  assert.equal(got.bytes, bytes);
  assert.equal(seen, bytes);
});

test("an offer is valid for one download", async () => {
  const { port, sent } = await offer(LOCAL, 10, 1);
  await download(LOCAL, port, 10, () => undefined);
  await sent;
  await assert.rejects(
    download(LOCAL, port, 10, () => undefined),
    { code: "ECONNREFUSED" },
  );
});

const serving = async (answer: (response: ServerResponse) => void): Promise<AsyncDisposable & { port: number }> => {
  const server = createServer((_request, response) => answer(response));
  await new Promise<void>((resolve) => void server.listen(0, LOCAL, resolve));
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => void server.close(resolve));
    },
  };
};

const cutOff = (error: unknown): boolean => error instanceof TransferFailed && error.code === "TRANSFER_CUT";

test("a transfer that ends early, or whose connection breaks, fails with TRANSFER_CUT", async () => {
  await using short = await serving((response) => response.end("abc"));
  await assert.rejects(
    download(LOCAL, short.port, 10, () => undefined),
    cutOff,
  );
  await using broken = await serving((response) => {
    response.writeHead(200, { "content-length": 10 });
    response.write("abc", () => response.destroy());
  });
  await assert.rejects(
    download(LOCAL, broken.port, 10, () => undefined),
    cutOff,
  );
});

test("an offer fails, and does not wait, if the receiver disconnects in the middle", async () => {
  const { port, sent } = await offer(LOCAL, 200_000_000, 1);
  const left = download(LOCAL, port, 200_000_000, (now) => {
    if (now > 1_000_000) throw new Error("enough");
  });
  await assert.rejects(left, /enough/);
  await assert.rejects(sent, { code: "ERR_STREAM_PREMATURE_CLOSE" });
});
