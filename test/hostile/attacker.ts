/** A served NIC in its thread, and hostile clients. */
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

/**
 * Time limit for operations that take almost no time. It is long, so that a slow machine is not mistaken for a server
 * that hangs.
 */
const LIMIT_MILLIS = 10_000;

/** A client that waits for replies, and can send any message. */
export class Attacker implements Disposable {
  readonly peer: Peer;
  readonly #poller: Poller;

  constructor(path: string) {
    this.peer = new Peer(path);
    this.#poller = new Poller([this.peer.socket.number]);
  }

  /** Negotiates the version as a correct client does. */
  static negotiated(path: string): Attacker {
    const attacker = new Attacker(path);
    assert.equal(attacker.error(Command.version, versionBody()), 0);
    return attacker;
  }

  /** The server's next message; "closed" if it has closed the connection. */
  receive(): Reply | "closed" {
    const end = performance.now() + LIMIT_MILLIS;
    for (;;) {
      const reply = this.peer.receive();
      if (reply !== undefined) return reply;
      assert.ok(performance.now() < end, "the server sent nothing");
      this.#poller.wait(100);
    }
  }

  /** The errno in the reply to a request, 0 for success; "closed" if the connection is closed instead. */
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

  /** Sends SET_IRQS, which assigns an eventfd to the first MSI-X vector, or triggers that vector if `fds` is empty. */
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

  /** Connects the next client. Returns the milliseconds until it has negotiated its version. */
  servesTheNext(): number {
    const start = performance.now();
    using _next = Attacker.negotiated(this.socket);
    return performance.now() - start;
  }

  /** Waits until a client has been disconnected or rejected for a reason that matches `what`. */
  async complaint(what: RegExp): Promise<void> {
    for (let i = 0; i < 500; i++) {
      if (this.events.some((event) => event.kind === "client" && !event.connected && what.test(event.why))) return;
      await sleep(10);
    }
    assert.fail(`no client was disconnected because of ${what}: ${JSON.stringify(this.events)}`);
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
