/**
 * Finds out which frames pass a NIC's filter. Each UDP packet from the far end is followed by a marker that must
 * arrive, so that the absence of the packet is detected without a time-out.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { type TwoEnds, Running, ip } from "./two-ends.ts";

/** A destination of frames: its Ethernet address, and the IP address that the sender uses for it. */
export interface Target {
  readonly ip: string;
  /** Given only for a station; a group's Ethernet address follows from its IP address. */
  readonly mac?: string;
}

const LIMIT_MILLIS = 20_000;
const MARKER = "10.77.0.1";
/** Number of consecutive checks that must agree. */
const STEADY = 2;
/** Time for a check's marker to arrive; frames are lost while a NIC's rings are rebuilt. */
const TRY_MILLIS = 500;

/** Sends frames from the far end, and listens on the near interface without making it promiscuous. */
export class Probe implements AsyncDisposable {
  readonly #sender: Running;
  readonly #ends: TwoEnds;
  readonly #neighbours = new Map<string, string>();
  #listener: Running;
  #port = 20_000;

  private constructor(ends: TwoEnds, sender: Running, listener: Running) {
    this.#ends = ends;
    this.#sender = sender;
    this.#listener = listener;
  }

  /** @param mac the near interface's address */
  static async open(ends: TwoEnds, mac: string): Promise<Probe> {
    const { far, wire, near, host } = ends;
    await ip(`-n ${far} addr add 10.77.0.2/24 dev ${wire}`);
    await ip(`-n ${far} addr add fd77::2/64 dev ${wire} nodad`);
    await ip(`-n ${far} route add 224.0.0.0/4 dev ${wire}`);
    const probe = new Probe(ends, Running.in(far, "bash"), listen(near, host));
    await probe.addNeighbour({ ip: MARKER, mac });
    await probe.#listener.waitFor(/listening on/);
    return probe;
  }

  /** Sets the sender's neighbour entry for a station, if it is not set yet. */
  async addNeighbour({ ip: address, mac }: Target): Promise<void> {
    const { far, wire } = this.#ends;
    if (mac === undefined || this.#neighbours.get(address) === mac) return;
    this.#neighbours.set(address, mac);
    await ip(`-n ${far} neigh replace ${address} lladdr ${mac} dev ${wire} nud permanent`);
  }

  /** Listens on the near interface in another namespace, or under another name. */
  async listenOn(namespace: string, name: string): Promise<void> {
    await this.#listener[Symbol.asyncDispose]();
    this.#listener = listen(namespace, name);
    await this.#listener.waitFor(/listening on/);
  }

  /** Sends a packet to `target`. Returns whether it arrives. @param bytes length of its payload */
  async arrives(target: Target, bytes = 10): Promise<boolean> {
    await this.addNeighbour(target);
    for (let waited = 0; waited < LIMIT_MILLIS; waited += TRY_MILLIS) {
      const port = this.#port++;
      for (const address of [target.ip, MARKER])
        this.#sender.write(`head -c ${address === MARKER ? 10 : bytes} /dev/zero >/dev/udp/${address}/${port}`);
      const arrived = await this.#listener.waitFor(arrival(MARKER, port), TRY_MILLIS).catch(() => undefined);
      if (arrived !== undefined) return arrival(target.ip, port).test(this.#listener.output);
    }
    throw new Error(`not even frames for the interface's own address arrive: ${this.#listener.output}`);
  }

  /**
   * Resolves once `STEADY` consecutive checks found that packets to `target` arrive, or that they are filtered, as
   * `wanted` says.
   */
  async settles(target: Target, wanted: "arrives" | "is filtered", bytes?: number): Promise<void> {
    const end = performance.now() + LIMIT_MILLIS;
    for (let steady = 0; steady < STEADY;) {
      const right = (await this.arrives(target, bytes)) === (wanted === "arrives");
      steady = right ? steady + 1 : 0;
      if (right) continue;
      if (performance.now() > end)
        throw new Error(
          `there were no ${STEADY} consecutive checks in which a packet to ${target.mac ?? target.ip} ${wanted}`,
        );
      await sleep(10);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#listener[Symbol.asyncDispose]();
    await this.#sender[Symbol.asyncDispose]();
  }
}

const listen = (namespace: string, name: string): Running =>
  Running.in(namespace, "tcpdump", "-p", "-n", "-l", "-i", name, "udp and portrange 20000-30000");

const arrival = (address: string, port: number): RegExp =>
  new RegExp(`> ${address.replaceAll(".", "\\.")}\\.${port}: UDP`);
