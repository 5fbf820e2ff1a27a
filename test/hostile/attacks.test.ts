/** Clients that attack the server: each can end only its own session, and the next client is served at once. */
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdtempSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { setTimeout as sleep } from "node:timers/promises";
import { suite, test, type TestContext } from "node:test";
import { DMA_MAP, DMA_UNMAP, IRQ_SET, REGION_ACCESS } from "#bus/vfio-user/codec.ts";
import { body, message, openDescriptors, versionBody } from "#bus/vfio-user/peer.test-kit.ts";
import { Command, HEADER_BYTES, Irq, MapFlag, MAX_BYTES, SetFlag } from "#bus/vfio-user/protocol.ts";
import { EventFd } from "#sys/eventfd.ts";
import { Fd, Open, openFile, truncate } from "#sys/fd.ts";
import { ffiProblem } from "#sys/ffi.ts";
import { libc } from "#sys/libc.ts";
import { createMemory } from "#sys/mapping.ts";
import { Attacker, Victim } from "./attacker.ts";
import { Meddler } from "./meddler.ts";

const NONE = new Uint8Array(0);
/** The goal is 100 ms. The test allows more, for a busy machine. */
const LIMIT_MILLIS = 5000;

const noFuse =
  process.getuid?.() === 0 && existsSync("/dev/fuse") ? false : "needs root and /dev/fuse, to mount a file system";

/** Runs an attack, and reports the time until the next client was served. */
const attack = (what: string, act: (victim: Victim, t: TestContext) => Promise<void> | void): void => {
  test(what, async (t) => {
    await using victim = await Victim.open();
    await act(victim, t);
    const millis = victim.servesTheNext();
    t.diagnostic(`the next client was served after ${millis.toFixed(1)} ms`);
    assert.ok(millis < LIMIT_MILLIS, `the next client was served only after ${millis} ms`);
  });
};

/** The body of a request that writes four bytes to configuration space (region 7) or to the registers (region 2). */
const access = (region: number, offset: number, value: number): Uint8Array => {
  const data = new Uint8Array(4);
  new DataView(data.buffer).setUint32(0, value, true);
  return body(REGION_ACCESS, { region, offset, count: 4 }, data);
};

suite("a client that attacks", { skip: ffiProblem()?.message ?? false }, () => {
  attack("truncates its memory file while it is being mapped", async ({ socket }) => {
    await using meddler = new Meddler("truncate");
    using client = Attacker.negotiated(socket);
    for (let i = 0; i < 1000; i++) {
      using memory = createMemory("unsealed", 8192, { sealed: false });
      meddler.aim(memory.number);
      assert.notEqual(client.map(memory.number, 0, 8192), "closed");
      client.error(Command.dmaUnmap, body(DMA_UNMAP, { argsz: 24, flags: 2, address: 0, size: 0 }));
      meddler.aim(-1);
    }
  });

  attack("truncates its memory file after it was mapped, and makes the NIC use it", ({ socket }) => {
    using client = Attacker.negotiated(socket);
    for (const sealed of [false, true]) {
      using memory = createMemory("ring", 1 << 20, { sealed });
      assert.equal(client.map(memory.number, sealed ? 1 << 30 : 0, 1 << 20), 0);
      if (!sealed) truncate(memory.number, 0);
    }
    // Enables memory space and bus mastering, places the ring of normal priority at address 0, enables the transmitter,
    // and rings the doorbell.
    assert.equal(client.error(Command.regionWrite, access(7, 4, 6)), 0);
    assert.equal(client.error(Command.regionWrite, access(2, 0x20, 0)), 0);
    assert.equal(client.error(Command.regionWrite, access(2, 0x24, 0)), 0);
    assert.equal(client.error(Command.regionWrite, access(2, 0x34, 0x0400_0000)), 0);
    assert.equal(client.error(Command.regionWrite, access(2, 0x38, 0x40)), 0);
  });

  attack("fills its eventfd's counter while the server signals the eventfd", async ({ socket }) => {
    await using meddler = new Meddler("fill");
    // SAFETY: no argument is an address.
    using event = new Fd(libc.eventfd(1, 0o2000000), "eventfd that blocks");
    using client = Attacker.negotiated(socket);
    assert.equal(client.irq([event.number]), 0);
    meddler.aim(event.number);
    for (let i = 0; i < 1000; i++) {
      meddler.round(() => assert.equal(client.irq([]), 0));
    }
  });

  attack("passes an eventfd that is full, that blocks, and that counts down by one", ({ socket }) => {
    for (const flags of [0, 1]) {
      // SAFETY: no argument is an address.
      using event = new Fd(libc.eventfd(0xffff_ffff, 0o2000000 | flags), "eventfd");
      using client = Attacker.negotiated(socket);
      assert.equal(client.irq([event.number]), 0);
      for (let i = 0; i < 100; i++) assert.equal(client.irq([]), 0);
    }
  });

  attack("passes an eventfd ten thousand times", ({ socket }) => {
    const before = openDescriptors();
    using event = EventFd.create();
    using client = Attacker.negotiated(socket);
    for (let i = 0; i < 10_000; i++) assert.equal(client.irq([event.number]), 0);
    assert.ok(openDescriptors() <= before + 4, "only the eventfd, its last copy and two sockets may be open");
  });

  attack("passes descriptors of every kind as memory and as eventfds", ({ socket, folder }) => {
    using scope = new DisposableStack();
    const memory = scope.use(createMemory("memory", 4096, { sealed: false }));
    const frozen = scope.use(createMemory("frozen", 4096, { sealed: false }));
    const [F_ADD_SEALS, F_SEAL_WRITE] = [1033, 8n];
    // SAFETY: no argument is an address.
    assert.equal(libc.fcntl(frozen.number, F_ADD_SEALS, F_SEAL_WRITE), 0);
    const open = (path: string, flags: number): Fd => scope.use(openFile(path, flags));
    const name = `/proc/self/fd/${memory.number}`;
    const kinds = {
      directory: open(folder, Open.readOnly),
      device: open("/dev/zero", Open.readWrite),
      "read-only": open(name, Open.readOnly),
      "write-only": open(name, Open.writeOnly),
      "path only": open(name, 0o10000000),
      "a file of the kernel": open("/proc/self/status", Open.readOnly),
      "sealed against writing": frozen,
      pipe: open(fifo(folder), Open.readWrite),
    };
    using client = Attacker.negotiated(socket);
    for (const [kind, fd] of Object.entries(kinds)) {
      const [mapped, irq] = [client.map(fd.number, 0), client.irq([fd.number])];
      assert.ok(typeof mapped === "number" && mapped > 0, `${kind}: ${mapped}`);
      assert.ok(typeof irq === "number" && irq > 0, `${kind}: ${irq}`);
    }
  });

  attack("passes its end of the connection", async (victim) => {
    using client = Attacker.negotiated(victim.socket);
    assert.equal(client.map(client.peer.socket.number, 0), "closed");
    await victim.complaint(/a socket among the descriptors/);
  });

  attack("floods the server with descriptors that no request uses", ({ socket }) => {
    const before = openDescriptors();
    using scope = new DisposableStack();
    const memory = scope.use(createMemory("memory", 4096));
    const fds = Array.from({ length: 16 }, () => memory.number);
    using client = Attacker.negotiated(socket);
    for (let i = 0; i < 2000; i++) assert.ok(Number(client.error(Command.deviceReset, NONE, fds)) > 0);
    assert.ok(openDescriptors() <= before + 3 + 16);
  });

  attack("maps regions that overlap, wrap around, are endless or too large", ({ socket }) => {
    using memory = createMemory("memory", 1 << 20);
    using client = Attacker.negotiated(socket);
    const top = 2 ** 64 - 4096;
    assert.equal(client.map(memory.number, 0, 1 << 20), 0);
    for (const [address, size] of [
      [4096, 4096],
      [top, 8192],
      [4096, top],
      [2 ** 53, 4096],
      [2 ** 40, 2 ** 40],
      [2 ** 40, 0],
      [2 ** 40 + 1, 4096],
    ] as const)
      assert.ok(Number(client.map(memory.number, address, size)) > 0, `${address} ${size}`);
    for (let i = 1; i < 1000; i++) client.map(memory.number, i * 2 ** 24, 4096);
  });

  attack("sends impossible sizes and counts", async (victim) => {
    const { socket } = victim;
    for (const size of [0, 15, MAX_BYTES + 1, 0xffff_ffff]) {
      using client = Attacker.negotiated(socket);
      client.peer.send(message(1, Command.deviceReset, NONE, 0, size));
      assert.equal(client.receive(), "closed");
    }
    await victim.complaint(/a message of 4294967295 bytes/);
    using client = Attacker.negotiated(socket);
    const huge = { argsz: IRQ_SET.bytes, flags: SetFlag.none | SetFlag.trigger, index: Irq.msix, start: 0 };
    for (const count of [0xffff_ffff, 0x8000_0000, 4096])
      assert.ok(Number(client.error(Command.setIrqs, body(IRQ_SET, { ...huge, count }))) > 0);
    for (const count of [0, 65537, 0xffff_ffff])
      assert.ok(Number(client.error(Command.regionRead, body(REGION_ACCESS, { region: 2, offset: 0, count }))) > 0);
  });

  attack("requests unsupported commands: unknown ones, migration, dirty pages", ({ socket }) => {
    using client = Attacker.negotiated(socket);
    for (const command of [0, 13 + 1, 16, 17, 18, 19, 255, 0xffff])
      assert.ok(Number(client.error(command, new Uint8Array(64))) > 0, `${command}`);
  });

  attack("resets the device again and again between accesses, without waiting", ({ socket }) => {
    using client = Attacker.negotiated(socket);
    for (let i = 0; i < 200; i++) {
      client.peer.send(message(i, Command.deviceReset, NONE));
      client.peer.send(message(i, Command.regionWrite, access(2, 0x34, 0x1c00_0000)));
      client.receive();
      client.receive();
    }
  });

  attack("sends half a message, waits, and disconnects", ({ socket }) => {
    for (const bytes of [1, HEADER_BYTES - 1, HEADER_BYTES + 8]) {
      using client = Attacker.negotiated(socket);
      client.peer.send(message(1, Command.dmaMap, new Uint8Array(32)).subarray(0, bytes));
    }
    using silent = new Attacker(socket);
    silent.peer.send(message(1, Command.version, versionBody()).subarray(0, 9));
  });

  attack("disconnects in the middle of its requests", ({ socket }) => {
    for (let i = 0; i < 20; i++) {
      using memory = createMemory("memory", 4096);
      using client = Attacker.negotiated(socket);
      const map = body(DMA_MAP, { argsz: 32, flags: MapFlag.read, offset: 0, address: i * 4096, size: 4096 });
      client.peer.send(message(1, Command.dmaMap, map), [memory.number]);
      for (let n = 0; n < 50; n++) client.peer.send(message(n, Command.regionWrite, access(2, 0x38, 0x40)));
    }
  });

  attack("connects a thousand times and sends nothing", ({ socket }) => {
    for (let i = 0; i < 1000; i++) new Attacker(socket)[Symbol.dispose]();
  });
});

test("a file on an unresponsive file system is rejected; the next client is served", { skip: noFuse }, async (t) => {
  await using victim = await Victim.open();
  const folder = mkdtempSync(join(victim.folder, "fuse-"));
  const kit = fileURLToPath(new URL("fuse.ts", import.meta.url));
  const words = ["--mount", process.execPath, "--disable-warning=ExperimentalWarning", kit, folder, victim.socket];
  const fuse = spawn("unshare", words, { stdio: ["ignore", "pipe", "inherit"] });
  try {
    let output = "";
    const end = performance.now() + 4 * LIMIT_MILLIS;
    fuse.stdout.on("data", (text: Buffer) => (output += text.toString()));
    while (!output.includes("]")) {
      assert.ok(performance.now() < end && fuse.exitCode === null, `the client gets no reply: ${output}`);
      await sleep(10);
    }
    for (const error of JSON.parse(/\[.*\]/.exec(output)![0]) as number[]) assert.ok(error > 0, output);
    const millis = victim.servesTheNext();
    t.diagnostic(`the next client was served after ${millis.toFixed(1)} ms`);
    assert.ok(millis < LIMIT_MILLIS, `the next client was served only after ${millis} ms`);
  } finally {
    fuse.kill("SIGKILL");
    await new Promise((resolve) => fuse.once("close", resolve));
  }
});

/**
 * Creates a named pipe, and returns its path. The caller opens it for reading and writing, because an open for only one
 * of them would block.
 */
const fifo = (folder: string): string => {
  const path = join(mkdtempSync(join(folder, "pipe-")), "pipe");
  execFileSync("mkfifo", [path]);
  return path;
};
