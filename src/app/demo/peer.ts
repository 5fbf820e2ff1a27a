/** A peer: one end of the demo's cable, in a separate thread and network namespace, with Linux's own TCP/IP. */
import { setTimeout as sleep } from "node:timers/promises";
import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import { Timeout } from "#kit/errors.ts";
import { Interfaces } from "#sys/interface.ts";
import { NetworkNamespace } from "#sys/namespace.ts";
import { PingSocket } from "#sys/ping.ts";
import { plainError } from "../plain-error.ts";
import type { CallName, PeerCall, PeerCalls, PeerTask, PeerWord } from "./peer-messages.ts";
import { download, offer } from "./transfer.ts";

/** Time in milliseconds without a reply after which a ping is regarded as lost. */
const PING_LIMIT_MILLIS = 1_000;
/** Number of lost pings after which the test ends. */
const MAX_PINGS_LOST = 5;
/** Number of payload bytes in a ping, as in ping(8). */
const PING_BYTES = 56;
/** Time limit in milliseconds for the interface's carrier. */
const CARRIER_LIMIT_MILLIS = 5_000;
/** Interval of progress reports in milliseconds. */
const PROGRESS_EVERY = 100;

class Peer {
  readonly #task: PeerTask;
  readonly #port: MessagePort;
  #sent: Promise<string> | undefined;
  #lastProgress = 0;

  constructor(task: PeerTask, port: MessagePort) {
    this.#task = task;
    this.#port = port;
    // The thread stays in this namespace, and all sockets that it creates from now on belong to it.
    NetworkNamespace.fromFd(task.namespace).enter();
  }

  readonly #calls: { [K in CallName]: (ask: PeerCalls[K]["ask"]) => Promise<PeerCalls[K]["answer"]> } = {
    configure: async () => {
      const { interfaceName: name, address, prefix } = this.#task;
      using interfaces = Interfaces.open();
      interfaces.setIpv4(name, address, prefix);
      interfaces.up(name);
      const end = performance.now() + CARRIER_LIMIT_MILLIS;
      while (!interfaces.isRunning(name)) {
        if (performance.now() >= end)
          throw new Timeout({ what: `carrier of ${name}`, waitedMicros: CARRIER_LIMIT_MILLIS * 1000 });
        await sleep(5);
      }
      return undefined;
    },
    ping: async ({ address, count }) => {
      using socket = PingSocket.open();
      const micros: number[] = [];
      let sent = 0;
      while (sent < count && sent - micros.length < MAX_PINGS_LOST) {
        const time = socket.ping(address, sent, PING_BYTES, PING_LIMIT_MILLIS);
        sent++;
        if (time !== undefined) micros.push(time);
      }
      return { sent, micros };
    },
    offer: async ({ bytes, seed }) => {
      const { port, sent } = await offer(this.#task.address, bytes, seed);
      this.#sent = sent;
      return { port };
    },
    sent: async () => {
      if (this.#sent === undefined) throw new Error("nothing was offered");
      return { sha256: await this.#sent };
    },
    download: ({ address, port, bytes }) => download(address, port, bytes, (arrived) => this.#progress(arrived)),
  };

  async answer(call: PeerCall): Promise<void> {
    try {
      this.#say({ kind: "answer", id: call.id, value: await this.#run(call) });
    } catch (error) {
      this.#say({ kind: "refusal", id: call.id, error: plainError(error) });
    }
  }

  #run<K extends CallName>(call: {
    readonly name: K;
    readonly ask: PeerCalls[K]["ask"];
  }): Promise<PeerCalls[K]["answer"]> {
    return this.#calls[call.name](call.ask);
  }

  #progress(bytes: number): void {
    const now = performance.now();
    if (now - this.#lastProgress < PROGRESS_EVERY) return;
    this.#lastProgress = now;
    this.#say({ kind: "progress", bytes });
  }

  #say(word: PeerWord): void {
    this.#port.postMessage(word);
  }
}

const port = parentPort;
if (port === null) throw new Error("peer.ts must run in a worker thread");
const peer = new Peer(workerData as PeerTask, port);
port.on("message", (call: PeerCall) => void peer.answer(call));
