/**
 * A driver process: Ferrule's rings on memory that it shares with the device process. The device process starts this
 * process, and wakes it for each measurement window.
 */
import { readSync } from "node:fs";
import { PerformanceObserver } from "node:perf_hooks";
import { setImmediate } from "node:timers/promises";
import { Mapping } from "#sys/mapping.ts";
import { Control, LOADS, MEMORY_FD, PAGE_BYTES, PASSES, REGION_BYTES, State, WINDOW_OFFSET } from "./layout.ts";
import { Account, createDriver, KINDS } from "./passes.ts";

const TNPDS = 0x20;
const RDSAR = 0xe4;
const STDIN = 0;

/** Makes passes until the device sets `stop`; returns the number of frames. */
const runWindow = (pass: (budget: number) => number, batch: number, control: Int32Array): number => {
  let frames = 0;
  do {
    for (let i = 0; i < PASSES; i = (i + 1) | 0) frames = (frames + pass(batch)) | 0;
    control[Control.frames] = frames;
  } while (Atomics.load(control, Control.stop) === 0);
  return frames;
};

const main = async (kindName: string | undefined, regionName: string | undefined): Promise<void> => {
  const kind = KINDS.find((name) => name === kindName);
  const region = Number(regionName);
  if (kind === undefined || !Number.isInteger(region)) throw new Error(`usage: driver.ts ${KINDS.join("|")} REGION`);
  using scope = new DisposableStack();
  const map = (offset: number, bytes: number, what: string): ArrayBuffer =>
    scope.use(Mapping.map(MEMORY_FD, region * REGION_BYTES + offset, bytes, what)).buffer;
  const registers = map(0, WINDOW_OFFSET, "registers and control words");
  const window = map(WINDOW_OFFSET, REGION_BYTES - WINDOW_OFFSET, "DMA window");
  const control = new Int32Array(registers, PAGE_BYTES, 32);
  const driver = createDriver(scope, kind, window, new Uint8Array(registers, 0, PAGE_BYTES));

  const addresses = new DataView(registers, 0, PAGE_BYTES);
  addresses.setBigUint64(TNPDS, BigInt(driver.transmit), true);
  addresses.setBigUint64(RDSAR, BigInt(driver.receive), true);

  let [begin, end] = [0, 0];
  const observer = new PerformanceObserver((list) => {
    for (const { startTime } of list.getEntries())
      if (startTime >= begin && startTime <= end) control[Control.collections]!++;
  });
  observer.observe({ entryTypes: ["gc"] });

  const wake = new Uint8Array(1);
  Atomics.store(control, Control.state, State.idle);
  while (readSync(STDIN, wake) === 1) {
    const load = LOADS[control[Control.load]!]!;
    const pass = driver.passes[load];
    if (pass === undefined) throw new Error(`${kind} does not support the load ${load}`);
    driver.settle();
    driver.account[Account.number] = control[Control.first]!;
    driver.account[Account.disorder] = 0;
    driver.account[Account.bytes] = control[Control.bytes]!;
    control[Control.collections] = 0;
    Atomics.store(control, Control.state, State.running);
    begin = performance.now();
    runWindow(pass, control[Control.batch]!, control);
    end = performance.now();
    control[Control.disorder] = driver.account[Account.disorder]!;
    // Returns to the event loop, in which garbage collections are reported and the engine installs newly compiled code.
    await setImmediate();
    Atomics.store(control, Control.state, State.idle);
  }
};

await main(process.argv[2], process.argv[3]);
