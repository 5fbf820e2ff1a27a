/** The qtest rig: our driver on QEMU's RTL8139C+, an independent model; its cable ends at the test. */
import { QtestDevice } from "#bus/qtest/device.ts";
import { rtl8169 } from "#driver/probe.ts";
import type { Nic } from "#driver/rtl8169.ts";
import { StreamWire } from "#host/wire-stream.ts";
import { RealClock } from "#kit/clock.ts";
import { type Bound, bind } from "#kit/device.ts";
import { FerruleError } from "#kit/errors.ts";
import { isAllRead } from "#sys/unix-socket.ts";
import { LIMIT_MILLIS } from "./eventually.ts";
import { OWN_MODEL } from "./named-model.ts";
import { HIGH_MEMORY, LOW_MEMORY, type MachineOptions, QtestMachine } from "./qtest-machine.ts";
import { checkChip, Host, type Rig, type RigOptions } from "./rig.ts";

export interface QtestRigOptions extends RigOptions, Partial<MachineOptions> {
  /** Whether DMA memory is above 4 GiB or below; default above. */
  readonly memory?: "high" | "low";
}

export interface QtestRig extends Rig {
  readonly machine: QtestMachine;
  readonly device: QtestDevice;
  readonly bound: Bound<Nic>;
}

/**
 * Executes `act`. If that fails and QEMU has printed something, such as about its arguments, the error contains QEMU's
 * output.
 */
const withErrorsOf = <T>(machine: QtestMachine, act: () => T): T => {
  try {
    return act();
  } catch (error) {
    if (!(error instanceof FerruleError) || machine.errors === "") throw error;
    throw new Error(`${error.message}\n${machine.errors}`, { cause: error });
  }
};

export const openQtestRig = (options: QtestRigOptions = {}): QtestRig => {
  const { mtu = 1500, mac = "02:00:00:00:00:01", cable = "us", carrier = true, slots, more = [], echo } = options;
  const clock = new RealClock();
  using scope = new DisposableStack();
  const { model = OWN_MODEL } = options;
  const machine = scope.use(new QtestMachine({ model, cable, mac, more, echo }));
  const memory = options.memory === "low" ? LOW_MEMORY : HIGH_MEMORY;
  const device = scope.use(
    withErrorsOf(machine, () => {
      const { qtest: socket, ram } = machine;
      return new QtestDevice({ socket, ids: rtl8169.ids, bar: model.bar, memory: { file: ram.number, ...memory } });
    }),
  );
  if (!carrier) machine.setCable(false);
  const nicOptions = { clock, mtu, weaklyOrdered: process.arch !== "x64", ...(slots === undefined ? {} : { slots }) };
  const bound = scope.use(bind(rtl8169, device, nicOptions));
  const nic = bound.driver;
  checkChip(nic, model.chip);
  const host = new Host(nic, device.dma);

  const sent: Uint8Array[] = [];
  let ended: string | undefined;
  const wire = scope.use(new StreamWire({ clock, onEnd: (why) => (ended = why) }));
  if (machine.cable !== undefined) wire.connect(machine.cable);
  wire.plug({
    receive(bytes, offset, length) {
      sent.push(bytes.slice(offset, offset + length));
      return true;
    },
  });
  const owned = scope.move();

  return {
    machine,
    device,
    bound,
    nic,
    dma: device.dma,
    registers: device.registers,
    get sent() {
      wire.pump(1000);
      return sent;
    },
    flags: host.flags,
    tags: host.tags,
    up() {
      nic.up();
    },
    poll: () => host.poll(),
    send(frame, flags, tag, fragments) {
      host.send(frame, flags, tag, fragments);
      // QEMU has sent the frame before the write to the doorbell returns.
      wire.pump(1000);
    },
    deliver(frame) {
      if (ended !== undefined) throw new Error(`the cable was disconnected: ${ended}`);
      const at = wire.reserve(frame.length);
      wire.bytes.set(frame, at);
      wire.commit(frame.length);
      wire.flush();
      const end = performance.now() + LIMIT_MILLIS;
      while (wire.connected && !isAllRead(wire.fd)) {
        if (performance.now() > end) throw new Error("QEMU does not read from the cable");
        device.settle();
      }
      // When `settle` returns, QEMU has also processed the frame that it has read from the cable.
      device.settle();
    },
    setCarrier(plugged) {
      machine.setCable(plugged);
      device.settle();
    },
    // QEMU runs in real time and acts at once, so there is no time to advance.
    pass: () => device.settle(),
    [Symbol.dispose]: () => owned.dispose(),
  };
};
