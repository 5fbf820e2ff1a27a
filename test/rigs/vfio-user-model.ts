/** A model behind a vfio-user socket, in a thread of its own; its cable sends every frame back to where it came from. */
import { parentPort, workerData } from "node:worker_threads";
import { VfioUserServer } from "#bus/vfio-user/server.ts";
import { chipNamed } from "#chip/chips.ts";
import { RealClock, Timers } from "#kit/clock.ts";
import type { Plug, Port } from "#kit/port.ts";
import { Rtl8169 } from "#model/rtl8169.ts";
import { EventFd } from "#sys/eventfd.ts";
import { Poller } from "#sys/poll.ts";

export interface ModelTask {
  readonly path: string;
  readonly mac: string;
  /** An event that ends the thread. */
  readonly stop: number;
}
export interface ModelReport {
  readonly offences: Readonly<Record<string, number>>;
  readonly clients: number;
}

/** A frame goes out with its addresses exchanged. */
class Mirror implements Port {
  readonly bytes = new Uint8Array(1 << 16);
  readonly #waiting: Uint8Array[] = [];
  #nic: Plug | undefined;
  reserve(length: number): number {
    return length <= this.bytes.length ? 0 : -1;
  }
  commit(length: number): void {
    const frame = this.bytes.slice(0, length);
    frame.copyWithin(0, 6, 12);
    frame.set(this.bytes.subarray(0, 6), 6);
    this.#waiting.push(frame);
  }
  flush(): void {}
  plug(nic: Plug): void {
    this.#nic = nic;
  }
  deliver(): void {
    for (const frame of this.#waiting.splice(0)) this.#nic?.receive(frame, 0, frame.length);
  }
}

const serve = ({ path, mac, stop }: ModelTask): ModelReport => {
  const clock = new RealClock();
  const timers = new Timers();
  const mirror = new Mirror();
  const model = new Rtl8169({ chip: chipNamed("rtl8168h")!, mac, clock, timers, strict: "off" });
  model.connect(mirror);
  model.setCarrier(true);
  let clients = 0;
  using server = new VfioUserServer(model, {
    path,
    clock,
    timers,
    onClient: ({ connected }) => {
      if (connected) clients++;
    },
  });
  const poller = new Poller([server.fd, stop]);
  parentPort!.postMessage("listening");
  const event = EventFd.attach(stop);
  while (!event.drain()) {
    const patience = Math.min(100, Math.ceil((timers.next - clock.now()) / 1000));
    poller.wait(server.arm(poller, 0) ? Math.max(0, patience) : 0);
    timers.run(clock.now());
    server.ready();
    mirror.deliver();
  }
  return { offences: model.offences, clients };
};

if (parentPort !== null) parentPort.postMessage(serve(workerData as ModelTask));
