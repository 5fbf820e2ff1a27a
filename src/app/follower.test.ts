/** Users' settings of the interface reach the driver, and the link state reaches the interface. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Interfaces } from "#sys/interface.ts";
import { linkSettings } from "#sys/link-settings.ts";
import { NetworkNamespace } from "#sys/namespace.ts";
import { whyNoNamespace, whyNoTap } from "#sys/permitted.ts";
import { Tap } from "#sys/tap.ts";
import { Follower } from "./follower.ts";
import type { FollowCommand } from "./session-messages.ts";
import type { SessionEvent } from "./session.ts";

const skip = (whyNoNamespace() ?? whyNoTap())?.message ?? false;
const LIMIT_MILLIS = 10_000;

class Bench implements Disposable {
  readonly commands: FollowCommand[] = [];
  readonly events: SessionEvent[] = [];
  readonly interfaces: Interfaces;
  readonly follower: Follower;
  readonly #scope: DisposableStack;

  constructor() {
    using scope = new DisposableStack();
    const namespace = scope.use(NetworkNamespace.create());
    this.interfaces = scope.use(namespace.within(() => Interfaces.open()));
    this.follower = scope.use(
      new Follower({
        tap: namespace.within(() => Tap.open("ft0", { vnetHeader: true })),
        send: (command) => this.commands.push(command),
        report: (event) => this.events.push(event),
      }),
    );
    this.#scope = scope.move();
  }

  async until(condition: () => boolean): Promise<void> {
    const end = performance.now() + LIMIT_MILLIS;
    while (!condition()) {
      assert.ok(performance.now() < end, "the condition did not become true in time");
      await sleep(5);
    }
  }

  [Symbol.dispose](): void {
    this.#scope.dispose();
  }
}

test("the driver gets the interface's settings at once, and again only after a change", { skip }, async () => {
  using bench = new Bench();
  assert.equal(bench.commands.length, 1);
  assert.equal(bench.commands[0]!.mtu, 1500);
  await sleep(200);
  assert.equal(bench.commands.length, 1);
  bench.interfaces.setMtu("ft0", 4000);
  await bench.until(() => bench.commands.at(-1)!.mtu === 4000);
  const address = Uint8Array.of(2, 0, 0x5e, 0, 0, 9);
  bench.interfaces.setHardwareAddress("ft0", address);
  await bench.until(() => Buffer.compare(bench.commands.at(-1)!.address, address) === 0);
});

test("an MTU that the chip refused is reset on the interface, with a warning", { skip }, () => {
  using bench = new Bench();
  bench.interfaces.setMtu("ft0", 9500);
  bench.follower.refuse(1500, { code: "BAD_MTU", message: "an MTU of 9500", hint: "Use less." });
  assert.equal(bench.interfaces.mtu("ft0"), 1500);
  assert.deepEqual(bench.events, [{ kind: "warning", message: "an MTU of 9500", hint: "Use less." }]);
});

test("the interface shows the link's speed and duplex, and none while there is no link", { skip }, () => {
  using bench = new Bench();
  assert.equal(linkSettings(bench.interfaces, "ft0"), undefined);
  for (const link of [
    { up: true, speed: 1000, fullDuplex: true },
    { up: true, speed: 100, fullDuplex: false },
  ]) {
    bench.follower.carrier(link);
    assert.deepEqual(linkSettings(bench.interfaces, "ft0"), link);
  }
  bench.follower.carrier({ up: false, speed: 0, fullDuplex: false });
  assert.equal(linkSettings(bench.interfaces, "ft0"), undefined);
});

test("neither a deleted interface nor late reports end the session", { skip }, async () => {
  using bench = new Bench();
  const { follower } = bench;
  follower[Symbol.dispose]();
  assert.equal(bench.interfaces.has("ft0"), false);
  follower.carrier({ up: true, speed: 1000, fullDuplex: true });
  follower[Symbol.dispose]();
  await sleep(100);
  assert.equal(bench.commands.length, 1);
});
