/** Tests sessions with a hostile server. A session must end soon, and with the right reason. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Interfaces } from "#sys/interface.ts";
import { NetworkNamespace } from "#sys/namespace.ts";
import { whyNoNamespace, whyNoTap } from "#sys/permitted.ts";
import { HostileServer, type Misbehaviour } from "./hostile-server.ts";
import { openSession } from "#app/open-session.ts";
import { openServer } from "#app/serve/open-server.ts";
import type { Session, SessionEvent } from "#app/session.ts";

const NAME = "fhs0";
const skip = (whyNoNamespace() ?? whyNoTap())?.message ?? false;
/** The goal is 1 s. The limit allows more for a slow machine, but less than the 5 s that a server may take to reply. */
const FAILURE_LIMIT_MILLIS = 3500;
const SESSION_LIMIT_MILLIS = 20_000;

type Failure = SessionEvent & { kind: "failed" };

/** A served chip, a hostile server in front of it, and our driver. */
class Bench implements AsyncDisposable {
  readonly folder = mkdtempSync(join(tmpdir(), "ferrule-hostile-"));
  readonly #scope = new AsyncDisposableStack();
  readonly failures: Failure[] = [];
  #namespace!: NetworkNamespace;
  hostile!: HostileServer;
  session!: Session;

  static async open(how?: keyof typeof Misbehaviour, signal?: AbortSignal): Promise<Bench> {
    const bench = new Bench();
    try {
      await bench.#open(how, signal);
      return bench;
    } catch (error) {
      await bench[Symbol.asyncDispose]();
      throw error;
    }
  }

  async #open(how: keyof typeof Misbehaviour = "none", signal?: AbortSignal): Promise<void> {
    const [good, bad] = [join(this.folder, "good"), join(this.folder, "bad")];
    const chip = { chip: "rtl8168h", mac: "02:00:5e:10:00:01", strict: "off" } as const;
    const wire = { kind: "responder" } as const;
    this.#scope.use(await openServer({ ...chip, socket: good, wire, capture: undefined, trace: undefined }));
    this.hostile = this.#scope.use(await HostileServer.open(bad, good));
    this.hostile.misbehave(how);
    const namespace = this.#scope.use(NetworkNamespace.create());
    this.#namespace = namespace;
    this.session = this.#scope.use(
      await openSession(
        { device: { kind: "vfio-user", path: bad }, host: { name: NAME, namespace: namespace.fd }, mtu: 1500 },
        signal,
      ),
    );
    this.session.onEvent((event) => {
      if (event.kind === "failed") this.failures.push(event);
    });
    await this.session.carrier(SESSION_LIMIT_MILLIS);
  }

  /** Changes the MTU, which the driver applies to its device. */
  setMtu(mtu: number): void {
    this.#namespace.within(() => {
      using interfaces = Interfaces.open();
      interfaces.setMtu(NAME, mtu);
    });
  }

  /** Changes the MTU, so that the driver accesses its device, and waits until the session fails. Returns the reason. */
  async failure(): Promise<Failure["error"]> {
    this.setMtu(1400);
    for (const end = performance.now() + SESSION_LIMIT_MILLIS; performance.now() < end; await sleep(10))
      if (this.failures[0] !== undefined) return this.failures[0].error;
    return assert.fail("the session did not fail");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#scope.disposeAsync();
    rmSync(this.folder, { recursive: true });
  }
}

suite("our driver on a hostile server", { skip }, () => {
  for (const [how, code, message] of [
    ["wrongId", "VFIO_USER_PROTOCOL", /it sent a reply without a request/],
    ["descriptor", "VFIO_USER_PROTOCOL", /descriptors with a reply to region(Read|Write)/],
    ["questions", "VFIO_USER_PROTOCOL", /many memory requests/],
    ["size", "VFIO_USER_PROTOCOL", /it sent a message of 4294967295 bytes/],
    ["half", "DEVICE_GONE", /the server closed the connection/],
    ["silence", "DEVICE_GONE", /no reply to region(Read|Write) in 5 s/],
    ["refusal", "VFIO_USER_REFUSED", /refused: region(Read|Write): Permission denied/],
  ] as const)
    test(`${how}: the session ends with an error that names this failure, and not a removed card`, async () => {
      await using bench = await Bench.open();
      bench.hostile.misbehave(how);
      const error = await bench.failure();
      assert.equal(error.code, code, error.message);
      assert.match(error.message, /^vfio-user:/);
      assert.match(error.message, message);
      assert.doesNotMatch(`${error.message} ${error.hint}`, /unplugged|fell off/);
    });

  for (const how of ["silence", "theft", "questions"] as const)
    test(`${how}: the session is closed soon, whatever the server does`, async (t) => {
      await using bench = await Bench.open();
      bench.hostile.misbehave(how);
      bench.setMtu(1400);
      await sleep(how === "theft" ? 1000 : 300);
      const start = performance.now();
      await bench.session.close();
      const millis = performance.now() - start;
      t.diagnostic(`closed after ${millis.toFixed(0)} ms`);
      assert.ok(millis < FAILURE_LIMIT_MILLIS, `closing or stopping took ${millis} ms`);
    });

  test("stopping a start does not wait for a server that never replies", async (t) => {
    const stop = new AbortController();
    const started = Bench.open("silence", stop.signal).then(
      () => assert.fail("the driver started"),
      (error: unknown) => error as { code: string; message: string },
    );
    await sleep(1500);
    const start = performance.now();
    stop.abort();
    const error = await started;
    const millis = performance.now() - start;
    t.diagnostic(`ended after ${millis.toFixed(0)} ms: ${error.message}`);
    assert.match(error.message, /stopped while it was starting/);
    assert.ok(millis < FAILURE_LIMIT_MILLIS, `closing or stopping took ${millis} ms`);
  });
});
