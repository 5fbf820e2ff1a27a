/**
 * Tests captures that the command, run as a process, writes to standard output or to a named pipe. The tests need no
 * root.
 */
import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { closeSync, constants, mkdtempSync, openSync, readFileSync, readSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { readPcapng } from "#wire/pcapng-reader.ts";

const PROGRAM = fileURLToPath(new URL("../bin/ferrule.mjs", import.meta.url));
const ENOUGH = 30_000;
const directory = mkdtempSync(join(tmpdir(), "ferrule-stdout-"));
after(() => rmSync(directory, { recursive: true }));

const args = (name: string, ...more: readonly string[]): string[] => [
  PROGRAM,
  "model",
  "serve",
  "--socket",
  join(directory, name),
  ...more,
];

/** Waits until the command serves, then requests a stop. Returns the command's standard error. */
const untilServed = async (child: ChildProcess): Promise<string> => {
  let output = "";
  child.stderr!.setEncoding("utf8").on("data", (text: string) => {
    output += text;
    // Sent only once, because a second signal would end the process at once.
    if (text.includes('"event":"serving"')) child.kill("SIGINT");
  });
  const [status] = (await once(child, "close")) as [number | null];
  assert.equal(status, 0, output);
  return output;
};

/** A named pipe. This process holds both ends open, so that no other process blocks when it opens the pipe. */
const pipe = (name: string) => {
  const path = join(directory, name);
  execFileSync("mkfifo", [path]);
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  return { path, reader, writer: openSync(path, constants.O_WRONLY) };
};

const capturedIn = (bytes: Uint8Array): void => {
  assert.ok(bytes.length > 0, "the capture is empty");
  assert.deepEqual([...readPcapng(bytes)], []);
};

test("--capture - writes to a pipe, and events go to standard error", { timeout: ENOUGH }, async () => {
  const { reader, writer } = pipe("stdout");
  const child = spawn(process.execPath, args("a", "--json", "--capture", "-"), { stdio: ["ignore", writer, "pipe"] });
  closeSync(writer);
  assert.match(await untilServed(child), /"event":"stopped"/);
  const bytes = new Uint8Array(4096);
  capturedIn(bytes.subarray(0, readSync(reader, bytes)));
  closeSync(reader);
});

test("--capture - writes to a socket and to a file as well", { timeout: ENOUGH }, async () => {
  const child = spawn(process.execPath, args("b", "--json", "--capture", "-"), { stdio: ["ignore", "pipe", "pipe"] });
  const pieces: Buffer[] = [];
  child.stdout.on("data", (piece: Buffer) => void pieces.push(piece));
  await untilServed(child);
  capturedIn(Buffer.concat(pieces));
  const file = join(directory, "file");
  const writer = openSync(file, "w");
  await untilServed(
    spawn(process.execPath, args("c", "--json", "--capture", "/dev/stdout"), { stdio: ["ignore", writer, "pipe"] }),
  );
  closeSync(writer);
  capturedIn(readFileSync(file));
});

test(
  "without a reader a capture is rejected at once: on standard output, and on a named pipe",
  { timeout: ENOUGH },
  () => {
    const { path, reader, writer } = pipe("gone");
    closeSync(reader);
    const piped = spawnSync(process.execPath, args("d", "--capture", "-"), {
      encoding: "utf8",
      stdio: ["ignore", writer, "pipe"],
    });
    closeSync(writer);
    assert.match(piped.stderr, /^ferrule: capture to standard output stopped: (EPIPE|ENXIO)\nhint: /);
    assert.equal(piped.status, 1);
    const named = spawnSync(process.execPath, args("e", "--capture", path), { encoding: "utf8" });
    assert.match(named.stderr, /gone stopped: ENXIO\nhint: The pipe has no reader: start the reader first\.\n$/);
    assert.equal(named.status, 1);
  },
);
