/**
 * A file whose file system stops responding, and a client that passes it to a server. Two processes in a separate mount
 * namespace: the file system, and the client that it starts. When the file system is killed, the kernel fails all
 * requests, and nothing is left behind.
 *
 *     unshare --mount node fuse.ts FOLDER SOCKET
 */
import { spawn, spawnSync } from "node:child_process";
import { openSync, readSync, writeSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Worker, isMainThread, workerData } from "node:worker_threads";
import { Open, openFile } from "#sys/fd.ts";
import { Attacker } from "./attacker.ts";

/** Numbers of operations in linux/fuse.h. */
const Op = { lookup: 1, forget: 2, getattr: 3, open: 14, init: 26, interrupt: 36, batchForget: 42 } as const;
const IN_HEADER = 40;
const OUT_HEADER = 16;
const UNSUPPORTED = 38;
const DIRECTORY = 0o040755;
const FILE = 0o100666;
const SIZE = 1 << 20;

const attributes = (view: DataView, at: number, node: number): void => {
  view.setBigUint64(at, BigInt(node), true);
  view.setBigUint64(at + 8, BigInt(SIZE), true);
  view.setUint32(at + 60, node === 1 ? DIRECTORY : FILE, true);
  view.setUint32(at + 64, 1, true);
};

/** The reply to a request, without the header; undefined for unknown requests. */
const answerTo = (op: number, node: number): Uint8Array<ArrayBuffer> | undefined => {
  const [lookup, getattr, open, init] = [128, 104, 16, 64].map((length) => new DataView(new ArrayBuffer(length)));
  switch (op) {
    case Op.init:
      init!.setUint32(0, 7, true);
      init!.setUint32(4, 31, true);
      init!.setUint32(20, 4096, true);
      return new Uint8Array(init!.buffer);
    case Op.lookup:
      lookup!.setBigUint64(0, 2n, true);
      attributes(lookup!, 40, 2);
      return new Uint8Array(lookup!.buffer);
    case Op.getattr:
      attributes(getattr!, 16, node);
      return new Uint8Array(getattr!.buffer);
    case Op.open:
      return new Uint8Array(open!.buffer);
    default:
      return undefined;
  }
};

/** Replies to requests until `cells[0]` is 1. From then on it reads requests without replying. */
const serve = (fuse: number, cells: Int32Array): void => {
  const request = new Uint8Array(1 << 17);
  const view = new DataView(request.buffer);
  for (;;) {
    const length = readSync(fuse, request);
    const op = view.getUint32(4, true);
    if (length < IN_HEADER || Atomics.load(cells, 0) === 1) continue;
    if (op === Op.forget || op === Op.interrupt || op === Op.batchForget) continue;
    const body = answerTo(op, Number(view.getBigUint64(16, true)));
    const reply = new Uint8Array(OUT_HEADER + (body?.length ?? 0));
    const header = new DataView(reply.buffer);
    header.setUint32(0, reply.length, true);
    header.setInt32(4, body === undefined ? -UNSUPPORTED : 0, true);
    header.setBigUint64(8, view.getBigUint64(8, true), true);
    reply.set(body ?? [], OUT_HEADER);
    writeSync(fuse, reply);
  }
};

const SELF = fileURLToPath(import.meta.url);
const QUIET = ["--disable-warning=ExperimentalWarning"];

const fileSystem = (folder: string, socket: string): void => {
  const fuse = openSync("/dev/fuse", "r+");
  const cells = new Int32Array(new SharedArrayBuffer(4));
  const daemon = new Worker(SELF, { workerData: { fuse, cells }, execArgv: QUIET });
  daemon.once("exit", () => client.kill());
  const options = "fd=3,rootmode=40000,user_id=0,group_id=0";
  spawnSync("mount", ["-i", "-t", "fuse", "-o", options, "none", folder], { stdio: ["ignore", 2, 2, fuse] });
  const client = spawn(process.execPath, [...QUIET, SELF, folder, socket, "client"], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  client.stdout.on("data", (chunk: Buffer) => {
    process.stdout.write(chunk);
    Atomics.store(cells, 0, 1);
    client.stdin.write("\n");
  });
};

/** Waits for a message of the other process. Returns 0 if that process has ended. */
const wait = (): number => readSync(0, new Uint8Array(1));

/**
 * Opens the file while the file system still responds, waits until the file system no longer responds, and passes the
 * file to the server.
 */
const client = (folder: string, socket: string): void => {
  using file = openFile(join(folder, "file"), Open.readWrite);
  using attacker = Attacker.negotiated(socket);
  writeSync(1, "opened\n");
  wait();
  const results = [attacker.map(file.number, 0), attacker.irq([file.number]), attacker.map(file.number, 1 << 20)];
  attacker[Symbol.dispose]();
  writeSync(1, `${JSON.stringify(results)}\n`);
  // Closing the file blocks until the other process is killed.
  while (wait() > 0);
};

if (!isMainThread) {
  const { fuse, cells } = workerData as { fuse: number; cells: Int32Array };
  serve(fuse, cells);
} else if (process.argv[1] === SELF) {
  const [, , folder, socket, who] = process.argv;
  if (who === "client") client(folder!, socket!);
  else fileSystem(folder!, socket!);
}
