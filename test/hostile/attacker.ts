/** A served NIC in its thread, and clients of it that mean no good. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Reply, Peer, body, message, versionBody } from "#bus/vfio-user/peer.test-kit.ts";
import { DMA_MAP, IRQ_SET } from "#bus/vfio-user/codec.ts";
import { Command, Irq, MapFlag, SetFlag } from "#bus/vfio-user/protocol.ts";
import { Poller } from "#sys/poll.ts";
import type { ServeEvent } from "#app/serve/serve-messages.ts";
import { openServer, type Serving } from "#app/serve/open-server.ts";

/** For what takes no time: a slow machine is not a hung server. */
const LIMIT_MILLIS = 10_000;

/** A client that waits for its answers, and knows how to send anything. */
export class Attacker implements Disposable {
  readonly peer: Peer;
  readonly #poller: Poller;

  constructor(path: string) {
    this.peer = new Peer(path);
    this.#poller = new Poller([this.peer.socket.number]);
  }

  /** Says its version as a good client does. */
  static negotiated(path: string): Attacker {
    const attacker = new Attacker(path);
    assert.equal(attacker.error(Command.version, versionBody()), 0);
    return attacker;
  }

  /** The next message of the server's; "closed" when it has hung up. */
  receive(): Reply | "closed" {
    const end = performance.now() + LIMIT_MILLIS;
    for (;;) {
      const reply = this.peer.receive();
      if (reply !== undefined) return reply;
      assert.ok(performance.now() < end, "the server says nothing");
      this.#poller.wait(100);
    }
  }

  /** The error number a request is answered with, 0 for none; "closed" when it is not answered any more. */
  error(command: number, bytes: Uint8Array, fds: readonly number[] = []): number | "closed" {
    try {
      this.peer.send(message(this.peer.nextId, command, bytes), fds);
    } catch {
      return "closed";
    }
    const reply = this.receive();
    return reply === "closed" ? reply : reply.error;
  }

  map(fd: number, address: number, size = 4096, flags: number = MapFlag.read | MapFlag.write): number | "closed" {
    return this.error(Command.dmaMap, body(DMA_MAP, { argsz: DMA_MAP.bytes, flags, offset: 0, address, size }), [fd]);
  }

  /** SET_IRQS: an event for the first MSI-X vector, or the vector triggered. */
  irq(fds: readonly number[]): number | "closed" {
    const flags = (fds.length === 0 ? SetFlag.none : SetFlag.eventfd) | SetFlag.trigger;
    const values = { argsz: IRQ_SET.bytes, flags, index: Irq.msix, start: 0, count: Math.max(1, fds.length) };
    return this.error(Command.setIrqs, body(IRQ_SET, values), fds);
  }

  [Symbol.dispose](): void {
    this.peer[Symbol.dispose]();
  }
}

export class Victim implements AsyncDisposable {
  readonly folder = mkdtempSync(join(tmpdir(), "ferrule-attack-"));
  readonly socket = join(this.folder, "nic");
  readonly events: ServeEvent[] = [];
  readonly #scope = new AsyncDisposableStack();
  serving!: Serving;

  static async open(): Promise<Victim> {
    const victim = new Victim();
    victim.serving = victim.#scope.use(
      await openServer({
        chip: "rtl8168h",
        mac: "02:00:5e:10:00:01",
        socket: victim.socket,
        wire: { kind: "responder" },
        capture: undefined,
        trace: undefined,
        strict: "off",
      }),
    );
    victim.serving.onEvent((event) => victim.events.push(event));
    return victim;
  }

  /** Milliseconds until the next client has said its version and has had its answer. */
  servesTheNext(): number {
    const start = performance.now();
    using _next = Attacker.negotiated(this.socket);
    return performance.now() - start;
  }

  /** Why clients were sent away or not let in. */
  async complaint(what: RegExp): Promise<void> {
    for (let i = 0; i < 500; i++) {
      if (this.events.some((event) => event.kind === "client" && !event.connected && what.test(event.why))) return;
      await sleep(10);
    }
    assert.fail(`no complaint ${what}: ${JSON.stringify(this.events)}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#scope.disposeAsync();
    rmSync(this.folder, { recursive: true });
    assert.deepEqual(
      this.events.filter(({ kind }) => kind === "failed"),
      [],
    );
  }
}
