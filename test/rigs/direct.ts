/** The direct rig: our driver on our model, in one thread, on a virtual clock. */
import { DirectDevice } from "#bus/direct.ts";
import { chipNamed } from "#chip/chips.ts";
import { rtl8169 } from "#driver/probe.ts";
import type { Nic, NicOptions } from "#driver/rtl8169.ts";
import { VirtualClock } from "#kit/clock.ts";
import { type Bound, bind } from "#kit/device.ts";
import type { Plug, Port } from "#kit/port.ts";
import type { Target } from "#kit/target.ts";
import type { FaultName } from "#model/faults.ts";
import type { DamagedAddress } from "#model/model-options.ts";
import { Rtl8169 } from "#model/rtl8169.ts";
import type { Medium } from "#model/phy/medium.ts";
import type { Strictness } from "#model/observation/strict.ts";
import { Host, type Rig, type RigOptions } from "./rig.ts";

/** A cable whose far end is the test. It records the frames that were sent. */
export class Bench implements Port {
  readonly bytes = new Uint8Array(1 << 20);
  readonly sent: Uint8Array[] = [];
  nic: Plug | undefined;
  reserve(length: number): number {
    return length <= this.bytes.length ? 0 : -1;
  }
  commit(length: number): void {
    this.sent.push(this.bytes.slice(0, length));
  }
  flush(): void {}
  plug(nic: Plug): void {
    this.nic = nic;
  }
}

export interface DirectRig extends Rig {
  readonly clock: VirtualClock;
  readonly model: Rtl8169;
  readonly device: DirectDevice;
  readonly bound: Bound<Nic>;
  readonly bench: Bench;
  /** Delivers a frame to the NIC. Returns whether the NIC accepted it. */
  deliver(frame: Uint8Array): boolean;
}

export interface DirectRigOptions extends RigOptions {
  /** Key of the chip; default rtl8168h. */
  readonly chip?: string;
  readonly mac?: string;
  readonly damagedAddress?: DamagedAddress;
  /** The station address that the driver is configured with. */
  readonly address?: Uint8Array;
  /** The medium of the cable; default copper. */
  readonly medium?: Medium;
  /** Whether the model computes the FCS of received frames and writes it to their buffers; default false. */
  readonly frameCheck?: boolean;
  /** More options for the driver. */
  readonly nic?: Partial<NicOptions>;
  /** The model's strict mode; default `error`. */
  readonly strict?: Strictness;
  /** A fault that is armed before the driver probes the NIC. */
  readonly fault?: FaultName;
  /** Returns the device that is on the bus instead of the model. */
  readonly between?: (model: Target) => Target;
}

export const openDirectRig = (options: DirectRigOptions = {}): DirectRig => {
  const { mtu = 1500, mac = "02:00:00:00:00:01", carrier = true } = options;
  const clock = new VirtualClock();
  const chip = chipNamed(options.chip ?? "rtl8168h")!;
  const model = new Rtl8169({
    chip,
    mac,
    clock,
    timers: clock.timers,
    strict: options.strict ?? "error",
    frameCheck: options.frameCheck ?? false,
    medium: options.medium,
    ...(options.damagedAddress === undefined ? {} : { damagedAddress: options.damagedAddress }),
  });
  if (options.fault !== undefined) model.faults.arm(options.fault);
  const bench = new Bench();
  model.connect(bench);
  model.setCarrier(carrier);
  const device = new DirectDevice(options.between?.(model) ?? model, {
    name: `model:${chip.key}`,
    registers: chip.profile.function.registersBar,
    dmaBytes: 32 << 20,
    vectors: 32,
    checked: true,
  });
  const bound = bind(rtl8169, device, {
    clock,
    mtu,
    weaklyOrdered: false,
    checked: true,
    ...options.nic,
    ...(options.address === undefined ? {} : { address: options.address }),
    ...(options.slots === undefined ? {} : { slots: options.slots }),
  });
  const nic = bound.driver;
  const host = new Host(nic, device.dma);

  return {
    clock,
    model,
    device,
    bound,
    nic,
    bench,
    dma: device.dma,
    registers: device.registers,
    sent: bench.sent,
    flags: host.flags,
    tags: host.tags,
    up() {
      nic.up();
      for (let i = 0; i < 100 && !nic.link.up; i++) {
        clock.delay(1000);
        if (nic.line.take()) nic.interrupt();
        nic.unmask();
      }
    },
    poll: () => host.poll(),
    send: (frame, flags, tag, fragments) => host.send(frame, flags, tag, fragments),
    deliver: (frame) => bench.nic!.receive(frame, 0, frame.length),
    setCarrier: (plugged) => model.setCarrier(plugged),
    pass: (micros) => clock.delay(micros),
    [Symbol.dispose]() {
      bound[Symbol.dispose]();
      device[Symbol.dispose]();
    },
  };
};
