/** The vfio-user rig: our driver on a served NIC, whose cable ends at the test. */
import { VfioUserDevice } from "#bus/vfio-user/client.ts";
import type { Chip } from "#chip/chips.ts";
import { rtl8169 } from "#driver/probe.ts";
import type { Nic } from "#driver/rtl8169.ts";
import { StreamWire } from "#host/wire-stream.ts";
import { RealClock } from "#kit/clock.ts";
import { type PciDevice, bind } from "#kit/device.ts";
import type { InterruptLine } from "#kit/interrupts.ts";
import { ro16 } from "#kit/mmio.ts";
import { Poller } from "#sys/poll.ts";
import { connectUnix } from "#sys/unix-path.ts";
import { isAllRead } from "#sys/unix-socket.ts";
import { LIMIT_MILLIS } from "./eventually.ts";
import { checkChip, Host, type Rig, type RigOptions } from "./rig.ts";

const DMA_BYTES = 32 << 20;
const VENDOR = ro16(0);
const LINK_SETTLES_MICROS = 5000;

/** The test's end of the NIC's cable. Its methods return once the operation is complete. */
export interface Cable extends Disposable {
  /** Takes the frames that have arrived since the last call, oldest first. */
  take(): readonly Uint8Array[];
  deliver(frame: Uint8Array): void;
  setCarrier(plugged: boolean): void;
  /** Returns when the device has no work left. */
  settle(): void;
}

export interface Served {
  readonly path: string;
  readonly chip: Chip;
  readonly cable: () => Cable;
  /** Whether the link may take as long as a real one, so that the test waits for it after an MTU change. */
  readonly slowLink?: boolean;
}

/** A cable that ends at a stream socket with QEMU's framing. It cannot be unplugged. */
export const streamCable = (path: string): Cable => {
  const sent: Uint8Array[] = [];
  let ended: string | undefined;
  const wire = new StreamWire({ clock: new RealClock(), onEnd: (why) => (ended = why) });
  wire.connect(connectUnix(path));
  wire.plug({
    receive(bytes, offset, length) {
      sent.push(bytes.slice(offset, offset + length));
      return true;
    },
  });
  return {
    take() {
      wire.pump(1000);
      return sent.splice(0);
    },
    deliver(frame) {
      if (ended !== undefined) throw new Error(`the cable was disconnected: ${ended}`);
      wire.bytes.set(frame, wire.reserve(frame.length));
      wire.commit(frame.length);
      wire.flush();
      const end = performance.now() + LIMIT_MILLIS;
      while (wire.connected && !isAllRead(wire.fd))
        if (performance.now() > end) throw new Error("the server does not read from the cable");
    },
    setCarrier(plugged) {
      if (!plugged) throw new Error("this cable cannot be unplugged");
    },
    settle() {},
    [Symbol.dispose]: () => wire[Symbol.dispose](),
  };
};

/**
 * Wraps an interrupt line. Before the line is checked, INTx, which masks itself, is unmasked again, because the driver
 * has acknowledged the last interrupt. Then a read of configuration space flushes posted writes.
 */
const settledLine = (line: InterruptLine, settle: () => void): InterruptLine => ({
  fd: line.fd,
  level: line.level,
  take() {
    line.unmask();
    settle();
    return line.take();
  },
  mask: () => line.mask(),
  unmask: () => line.unmask(),
  [Symbol.dispose]: () => line[Symbol.dispose](),
});

const settledDevice = (device: VfioUserDevice, settle: () => void): PciDevice => {
  const { name, id, config, dma, registers, interrupts, power } = device;
  return {
    name,
    id,
    config,
    dma,
    registers,
    power,
    interrupts: {
      vectors: interrupts.vectors,
      limit: (best) => interrupts.limit(best),
      request: (vector) => settledLine(interrupts.request(vector), settle),
    },
    setBusMaster: (on) => device.setBusMaster(on),
  };
};

const NEVER = new Int32Array(new SharedArrayBuffer(4));
const sleep = (micros: number): void => void Atomics.wait(NEVER, 0, 0, micros / 1000);

const awaitLink = (nic: Nic): void => {
  const poller = new Poller([nic.line.fd!]);
  const end = performance.now() + LIMIT_MILLIS;
  while (!nic.link.up) {
    if (performance.now() > end) throw new Error("the NIC has no link");
    if (nic.line.take()) nic.interrupt();
    nic.unmask();
    nic.line.unmask();
    if (!nic.link.up) poller.wait(50);
  }
};

export const openVfioUserRig = (served: Served, options: RigOptions = {}): Rig => {
  const { mtu = 1500, carrier = true, slots } = options;
  using scope = new DisposableStack();
  const cable = scope.use(served.cable());
  cable.setCarrier(carrier);
  const device = scope.use(VfioUserDevice.connect({ path: served.path, dmaBytes: DMA_BYTES }));
  const settle = (): void => {
    device.config.read16(VENDOR);
    cable.settle();
  };
  const nicOptions = {
    clock: new RealClock(),
    mtu,
    weaklyOrdered: process.arch !== "x64",
    ...(slots === undefined ? {} : { slots }),
  };
  const bound = scope.use(bind(rtl8169, settledDevice(device, settle), nicOptions));
  const nic = bound.driver;
  checkChip(nic, served.chip);
  const host = new Host(nic, device.dma);
  // Discards frames that an earlier test has sent.
  cable.take();
  const sent: Uint8Array[] = [];
  const owned = scope.move();
  return {
    nic,
    dma: device.dma,
    registers: device.registers,
    get sent() {
      settle();
      sent.push(...cable.take());
      return sent;
    },
    flags: host.flags,
    tags: host.tags,
    up() {
      nic.up();
      if (!carrier) return;
      awaitLink(nic);
      // The link is checked a second time, after the time of a full negotiation, because the first check may have found
      // the link of an earlier negotiation.
      sleep(LINK_SETTLES_MICROS);
      nic.refreshLink();
      awaitLink(nic);
    },
    poll: () => host.poll(),
    send(frame, flags, tag, fragments) {
      host.send(frame, flags, tag, fragments);
      settle();
    },
    deliver(frame) {
      settle();
      cable.deliver(frame);
      settle();
    },
    setCarrier(plugged) {
      cable.setCarrier(plugged);
      settle();
    },
    pass(micros) {
      sleep(micros);
      settle();
      if (served.slowLink === true) awaitLink(nic);
    },
    [Symbol.dispose]: () => owned.dispose(),
  };
};
