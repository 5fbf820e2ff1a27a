/** Opens a device of any kind in this thread for inspection, not for traffic. */
import { DirectDevice } from "#bus/direct.ts";
import { VfioDevice } from "#bus/vfio/device.ts";
import { VfioUserDevice } from "#bus/vfio-user/client.ts";
import type { Chip } from "#chip/chips.ts";
import { type Clock, RealClock, Timers } from "#kit/clock.ts";
import type { PciDevice } from "#kit/device.ts";
import { Rtl8169 } from "#model/rtl8169.ts";

export type ReportedDevice =
  | { readonly kind: "model"; readonly chip: Chip }
  | { readonly kind: "vfio-user"; readonly path: string }
  | { readonly kind: "pci"; readonly address: string; readonly unsafeNoIommu: boolean };

export interface OpenDevice {
  readonly device: PciDevice;
  /** A clock; while it waits, the device's timers run. */
  readonly clock: Clock;
}

const DMA_BYTES = 32 << 20;
/** The address of a model. It is locally administered, because a model has no vendor. */
const MODEL_MAC = "02:00:5e:10:20:30";

const openModel = (chip: Chip, scope: DisposableStack): OpenDevice => {
  const real = new RealClock();
  const timers = new Timers();
  const clock: Clock = {
    now: () => real.now(),
    delay: (micros) => {
      real.delay(micros);
      timers.run(real.now());
    },
  };
  const model = new Rtl8169({ chip, mac: MODEL_MAC, clock: real, timers });
  model.setCarrier(true);
  const registers = chip.profile.function.registersBar;
  const options = { name: `model:${chip.key}`, registers, dmaBytes: DMA_BYTES, vectors: 1 } as const;
  return { device: scope.use(new DirectDevice(model, options)), clock };
};

/** @throws errors of the bus: no listener, no such card, no IOMMU, in use, … */
export const openDevice = (what: ReportedDevice, scope: DisposableStack): OpenDevice => {
  if (what.kind === "model") return openModel(what.chip, scope);
  const clock = new RealClock();
  if (what.kind === "vfio-user") return { device: scope.use(VfioUserDevice.connect({ path: what.path })), clock };
  const { address, unsafeNoIommu } = what;
  return { device: scope.use(VfioDevice.open({ address, unsafeNoIommu })), clock };
};
