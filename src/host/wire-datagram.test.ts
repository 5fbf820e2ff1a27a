import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Misuse } from "#kit/errors.ts";
import { read, write } from "#sys/fd.ts";
import { UnixDatagram } from "#sys/unix-datagram.ts";
import { DatagramWire } from "./wire-datagram.ts";

class Station implements Disposable {
  readonly folder = mkdtempSync(join(tmpdir(), "ferrule-"));
  readonly near = UnixDatagram.bind(join(this.folder, "near"));
  readonly changes: string[] = [];
  readonly received: number[] = [];
  readonly wire = new DatagramWire({
    socket: this.near,
    peer: join(this.folder, "far"),
    onChange: (connected, why) => this.changes.push(connected ? "connected" : why),
  });
  room = true;
  #far: UnixDatagram | undefined;

  constructor() {
    this.wire.plug({
      receive: (_bytes, _offset, length) => this.received.push(length) > 0,
      hasRoom: () => this.room,
    });
  }
  /** Creates the other side's socket and connects it. */
  appear(): UnixDatagram {
    const far = UnixDatagram.bind(join(this.folder, "far"));
    assert.equal(far.connect(join(this.folder, "near")), 0);
    return (this.#far = far);
  }
  send(length: number): void {
    assert.equal(this.wire.reserve(length), 0);
    this.wire.commit(length);
  }
  [Symbol.dispose](): void {
    this.#far?.[Symbol.dispose]();
    this.near[Symbol.dispose]();
    rmSync(this.folder, { recursive: true });
  }
}

test("a frame is a datagram, in both directions", () => {
  using station = new Station();
  const far = station.appear();
  assert.equal(station.wire.connect(), true);
  station.send(60);
  assert.equal(read(far.number, new Uint8Array(2000)), 60);
  write(far.number, new Uint8Array(1514));
  write(far.number, new Uint8Array(13));
  write(far.number, new Uint8Array(60));
  assert.equal(station.wire.pump(64), 2);
  assert.deepEqual(station.received, [1514, 60]);
  assert.equal(station.wire.delivery.counts.malformed, 1);
});

test("the wire is up only while the other side exists, and connects again when the other side is back", () => {
  using station = new Station();
  assert.equal(station.wire.connect(), false);
  station.send(60);
  const far = station.appear();
  assert.equal(station.wire.connect(), true);
  far[Symbol.dispose]();
  station.send(60);
  assert.equal(station.wire.connected, false);
  station.appear();
  assert.equal(station.wire.connect(), true);
  station.send(60);
  assert.deepEqual(station.changes, ["connected", "ECONNREFUSED", "connected"]);
  assert.equal(station.wire.delivery.counts.unsent, 2);
});

test("a reader that does not keep up loses frames, not the connection", () => {
  using station = new Station();
  station.appear();
  station.wire.connect();
  for (let i = 0; i < 2000; i++) station.send(1514);
  assert.equal(station.wire.connected, true);
  assert.ok(station.wire.delivery.counts.unsent > 0);
});

test("a frame waits while the NIC has no room", () => {
  using station = new Station();
  const far = station.appear();
  station.wire.connect();
  station.room = false;
  write(far.number, new Uint8Array(60));
  assert.equal(station.wire.pump(64), 0);
  assert.equal(station.wire.pending, true);
  station.room = true;
  assert.equal(station.wire.pump(64), 1);
});

test("a frame without reservation cannot be committed", () => {
  using station = new Station();
  assert.equal(station.wire.reserve(1 << 20), -1);
  assert.throws(() => station.wire.commit(60), Misuse);
});

test("invalid datagrams count against the budget of a call, so that they cannot occupy it forever", () => {
  using station = new Station();
  const far = station.appear();
  station.wire.connect();
  for (let i = 0; i < 4; i++) write(far.number, new Uint8Array(1));
  write(far.number, new Uint8Array(60));
  assert.equal(station.wire.pump(4), 0);
  assert.equal(station.wire.delivery.counts.malformed, 4);
  assert.equal(station.wire.pump(4), 1);
});
