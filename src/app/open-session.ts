/** Brings a NIC up: allocates the threads' shared memory, starts the threads in order, and releases everything at the end. */
import { createChannel } from "#bus/threaded.ts";
import { Revoked, Timeout } from "#kit/errors.ts";
import { randomStationAddress } from "#kit/station-address.ts";
import { EventFd } from "#sys/eventfd.ts";
import { Interfaces } from "#sys/interface.ts";
import { NetworkNamespace } from "#sys/namespace.ts";
import { InterfaceNameInUse, Tap } from "#sys/tap.ts";
import { formatMac } from "#wire/mac.ts";
import { entryUrl, prepareThreads } from "./compiled-code.ts";
import { EventFeed } from "./event-feed.ts";
import { Follower } from "./follower.ts";
import type { Argument } from "./argument.ts";
import { modelChip, modelPage } from "./model-page.ts";
import type { Command, DeviceTask, DriverTask, ModelTask, OneThreadTask, OpenTap, Report } from "./session-messages.ts";
import type {
  DeviceSpec,
  HostSpec,
  ModelSpec,
  Session,
  SessionEvent,
  SessionFacts,
  SessionOptions,
} from "./session.ts";
import { Requests } from "./requests.ts";
import { StatisticsReader, statisticsMemory } from "./statistics-page.ts";
import { DRIVER_COUNTERS, type Statistics, WIRE_COUNTERS } from "./counters.ts";
import { socketsOf } from "./wires/wire-spec.ts";
import { WorkerThread } from "./worker-thread.ts";

type Thread = WorkerThread<Command, Report>;

/** Rings, receive buffers for the largest MTU, and the arena for outgoing frames. */
const DMA_BYTES = 32 << 20;
/** The least for each of several queues. */
const QUEUE_BYTES = 8 << 20;
/** Memory of the wire's far end, after the window: frames between the NIC and a TAP. */
const STAGING_BYTES = 1 << 20;
/** A PCI Express link that was lost is back within a second. */
const WAIT_SECONDS = 2;
const WASM_PAGE = 1 << 16;
/** A thread takes a tenth of a second to start; in an emulated guest on a busy machine, half a minute. */
const START_LIMIT_MILLIS = 120_000;

// The compiler's own declarations come only with those of a browser's.
declare const WebAssembly: {
  readonly Memory: new (options: { initial: number; maximum: number; shared: true }) => {
    readonly buffer: SharedArrayBuffer;
  };
};

/**
 * Rejects the name of an existing interface, before any file is opened for it. A persistent TAP is accepted as the
 * host's end: it is prepared for users who may not create one, and is kept.
 */
const refuseTakenName = ({ name, namespace }: HostSpec, prepared = false, queues = 1): void => {
  const look = (): void => {
    using interfaces = Interfaces.open();
    if (!interfaces.has(name)) return;
    if (!prepared) throw new InterfaceNameInUse(name);
    // Only a persistent TAP that is not open can be opened.
    Tap.open(name, { vnetHeader: true, multiQueue: queues > 1 })[Symbol.dispose]();
  };
  if (namespace === undefined) look();
  else NetworkNamespace.fromFd(namespace).within(look);
};

interface Started {
  readonly thread: Thread;
  readonly facts: SessionFacts | undefined;
  readonly tap: OpenTap | undefined;
}
type Start = (
  what: string,
  file: `./${string}.ts`,
  task: DriverTask | ModelTask | OneThreadTask,
  bell: EventFd,
) => Promise<Started>;

/** A device that exists outside this process. */
const reach = (device: Exclude<DeviceSpec, ModelSpec>, stop: number): DeviceTask => {
  if (device.kind === "vfio-user") return { bus: "vfio-user", path: device.path, stop };
  return { bus: "vfio", address: device.address, unsafeNoIommu: device.unsafeNoIommu };
};

/** What driver and model share: registers, and memory for rings, frames and the far end. */
const modelChannel = (
  { chip }: ModelSpec,
  queues: number,
  scope: DisposableStack,
): Pick<ModelTask, "channel" | "memory"> => {
  const dmaBytes = Math.max(DMA_BYTES, QUEUE_BYTES * queues);
  // Shared WebAssembly memory, because the model's checksum engine requires it.
  const pages = (dmaBytes + STAGING_BYTES) / WASM_PAGE;
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  return {
    channel: createChannel(scope, {
      name: `model:${chip}`,
      rules: modelPage(modelChip(chip)),
      dma: memory.buffer,
      dmaBytes,
    }),
    memory,
  };
};

/**
 * Brings up one NIC. Resolves when it is up; the carrier follows.
 * @param stop gives up when it is aborted
 * @throws whatever a thread throws while starting: no permission for TAP, name in use, unknown chip, …
 */
export const openSession = async (options: SessionOptions, stop?: AbortSignal): Promise<Session> => {
  const { device } = options;
  await prepareThreads(() =>
    device.kind === "model"
      ? Promise.all([import("./one-thread.ts"), import("./data-plane.ts"), import("./model-thread.ts")])
      : import("./data-plane.ts"),
  );
  refuseTakenName(options.host, true, options.queues);
  if (device.kind === "model" && device.wire.kind === "tap") refuseTakenName(device.wire);
  await using scope = new AsyncDisposableStack();
  const shared = scope.use(new DisposableStack());
  const memory = {
    driver: statisticsMemory(DRIVER_COUNTERS),
    wire: statisticsMemory(WIRE_COUNTERS),
  };
  const bells = { model: shared.use(EventFd.create()), driver: shared.use(EventFd.create()) };

  const letGo = shared.use(EventFd.create());
  const early: SessionEvent[] = [];
  const start: Start = async (what, file, task, bell) => {
    const thread: Thread = new WorkerThread(what, entryUrl(file, import.meta.url), task, bell);
    scope.defer(() => {
      letGo.signal();
      return thread.end();
    });
    const ready = await thread.until(
      START_LIMIT_MILLIS,
      (report) => {
        if (report.report === "event") early.push(report.event);
        return report.report === "ready" ? report : undefined;
      },
      stop,
    );
    return { thread, facts: ready.facts, tap: ready.tap };
  };
  const driverTask = (task: DeviceTask): DriverTask => ({
    device: task,
    host: options.host,
    mtu: options.mtu,
    rings: options.rings,
    queues: options.queues ?? 1,
    aspm: options.aspm,
    address: options.address,
    wake: options.wake,
    firmware: options.firmware,
    capture: options.captureHost,
    withoutLinkMicros: options.sleepWithoutLink === undefined ? undefined : options.sleepWithoutLink * 1e6,
    waitMicros: (options.waitForCard ?? WAIT_SECONDS) * 1e6,
    statistics: memory.driver,
    control: bells.driver.number,
  });
  const threads: Thread[] = [];
  let driver: Started;
  if (device.kind !== "model") {
    driver = await start(
      "the driver's thread",
      "./data-plane.ts",
      driverTask(reach(device, letGo.number)),
      bells.driver,
    );
  } else {
    const channel = modelChannel(device, options.queues ?? 1, shared);
    const modelTask: ModelTask = {
      ...channel,
      chip: device.chip,
      mac: formatMac(randomStationAddress()),
      wire: device.wire,
      socketMode: device.socketMode,
      mtu: options.mtu,
      capture: device.capture,
      statistics: memory.wire,
      control: bells.model.number,
    };
    const task = driverTask({ bus: "threaded", channel: channel.channel });
    if (device.threads === 2) {
      const model = await start("the model's thread", "./model-thread.ts", modelTask, bells.model);
      model.thread.leaves(socketsOf(device.wire));
      threads.push(model.thread);
      driver = await start("the driver's thread", "./data-plane.ts", task, bells.driver);
    } else {
      driver = await start(
        "the data-plane thread",
        "./one-thread.ts",
        { driver: task, model: modelTask },
        bells.driver,
      );
      driver.thread.leaves(socketsOf(device.wire));
    }
  }
  threads.push(driver.thread);
  if (driver.facts === undefined) throw new Error("the driver's thread sent no facts about itself");
  if (driver.tap === undefined) throw new Error("the driver's thread gave no descriptor of its TAP");
  const taken = { ...driver, facts: driver.facts, tap: Tap.owning(driver.tap.number, driver.tap) };
  return new OpenSession(taken, { threads, memory, early }, scope.move());
};

class OpenSession implements Session {
  #facts: SessionFacts;
  readonly #follower: Follower;
  readonly #driverCounters: StatisticsReader<(typeof DRIVER_COUNTERS)[number]>;
  readonly #wireCounters: StatisticsReader<(typeof WIRE_COUNTERS)[number]>;
  readonly #scope: AsyncDisposableStack;
  // The interface is removed with the thread that served it.
  readonly #events = new EventFeed<SessionEvent>((failure) => {
    this.#follower[Symbol.dispose]();
    this.#requests.end(failure);
  });
  readonly #requests: Requests;
  readonly #driver: Thread;
  #closing: Promise<void> | undefined;

  constructor(
    driver: { readonly facts: SessionFacts; readonly thread: Thread; readonly tap: Tap },
    {
      threads,
      memory,
      early,
    }: {
      readonly threads: readonly Thread[];
      readonly memory: { driver: SharedArrayBuffer; wire: SharedArrayBuffer };
      readonly early: readonly SessionEvent[];
    },
    scope: AsyncDisposableStack,
  ) {
    this.#facts = driver.facts;
    this.#driver = driver.thread;
    this.#driverCounters = new StatisticsReader(memory.driver, DRIVER_COUNTERS);
    this.#wireCounters = new StatisticsReader(memory.wire, WIRE_COUNTERS);
    this.#requests = new Requests((command) => driver.thread.send(command));
    this.#follower = scope.use(
      new Follower({
        tap: driver.tap,
        send: (command) => driver.thread.send(command),
        report: (event) => this.#events.push(event),
      }),
    );
    this.#scope = scope;
    for (const thread of threads)
      thread.listen(
        (report) => this.#handleReport(report),
        (error) => this.#events.fail(error),
      );
    for (const event of early) this.#events.push(event);
  }

  get facts(): SessionFacts {
    return this.#facts;
  }

  get interfaceName(): string {
    return this.#follower.name;
  }

  statistics(): Statistics {
    return { ...this.#driverCounters.read(), ...this.#wireCounters.read() };
  }

  operate(operation: string, argument: Argument, limitMillis?: number): Promise<object> {
    return this.#requests.ask(operation, argument, limitMillis);
  }

  onEvent(listener: (event: SessionEvent) => void): void {
    this.#events.listen(listener);
  }

  async carrier(limitMillis: number): Promise<void> {
    const end = performance.now() + limitMillis;
    while (this.#driverCounters.read().linkUp === 0) {
      if (this.#events.failure !== undefined) throw this.#events.failure;
      if (this.#closing !== undefined) throw new Revoked("the session");
      if (performance.now() >= end) throw new Timeout({ what: "carrier", waitedMicros: limitMillis * 1000 });
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  }

  close({ wake = false } = {}): Promise<void> {
    if (wake && this.#closing === undefined) this.#driver.send({ command: "handOver" });
    this.#events.close();
    this.#requests.end(new Revoked("the session"));
    this.#closing ??= this.#scope.disposeAsync();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #handleReport(report: Report): void {
    if (report.report === "answer") this.#requests.hear(report);
    if (report.report === "facts") this.#facts = report.facts;
    if (report.report === "mtuRefused") this.#follower.refuse(report.mtu, report.error);
    if (report.report !== "event") return;
    if (report.event.kind === "carrier") this.#follower.carrier(report.event);
    this.#events.push(report.event);
  }
}
