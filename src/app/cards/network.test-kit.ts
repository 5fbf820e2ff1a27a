/** A machine's network for tests: links, routes and addresses as the kernel reports them, and files. */
import type { LinkInfo, NetworkTables, Route } from "#sys/network-tables.ts";
import type { Network } from "./card-traffic.ts";
import { addressBytes } from "./ip-address.ts";
import { FakeMachine } from "./machine.test-kit.ts";

const covers = ({ destination, prefix }: Route, address: Uint8Array): boolean =>
  destination.length === address.length &&
  Array.from({ length: prefix }, (_, bit) => bit).every(
    (bit) => ((destination[bit >> 3]! ^ address[bit >> 3]!) & (0x80 >> (bit & 7))) === 0,
  );

export class FakeNetwork implements Disposable {
  readonly machine = new FakeMachine();
  readonly #links: LinkInfo[] = [];
  readonly #routes: Route[] = [];
  readonly #addresses: { interface: string; address: string }[] = [];
  environment: NodeJS.ProcessEnv = {};

  [Symbol.dispose](): void {
    this.machine[Symbol.dispose]();
  }

  /**
   * Adds an interface. Unless `more` says otherwise, it is a hardware interface that is up.
   * @param on the lower device of the interface
   * @param master the bridge or bond that has the interface as a port
   */
  link(name: string, more: Partial<Omit<LinkInfo, "link" | "master">> & { on?: string; master?: string } = {}): void {
    const { on, master, ...rest } = more;
    const [link, port] = [on, master].map((each) => (each === undefined ? undefined : this.indexOf(each)));
    const plain = { index: this.#links.length + 1, name, up: true, kind: undefined, broadcast: new Uint8Array(6) };
    this.#links.push({ ...plain, ...rest, link, master: port });
  }

  indexOf(name: string): number {
    return this.#links.find((link) => link.name === name)!.index;
  }

  /** Adds a route to a network such as "0.0.0.0/0" over these interfaces; by default through gateways. */
  route(to: string, over: readonly string[], { table = 254, gateway = true, unicast = true } = {}): void {
    const [address = "", prefix = ""] = to.split("/");
    const hops = over.map((name) => ({ link: this.indexOf(name), gateway }));
    this.#routes.push({ destination: addressBytes(address)!, prefix: Number(prefix), table, unicast, hops });
  }

  address(name: string, address: string): void {
    this.#addresses.push({ interface: name, address });
  }

  /** Adds a file of /proc or /sys. */
  file(root: "proc" | "sys", path: string, text: string): void {
    this.machine.write(`${this.machine.files[root]}/${path}`, text);
  }

  readonly tables: NetworkTables = {
    links: () => this.#links,
    routes: (max) => this.#routes.slice(0, max),
    routeTo: (address) => {
      const main = this.#routes.filter((route) => route.table === 254 && covers(route, address));
      return main.sort((a, b) => b.prefix - a.prefix)[0];
    },
  };

  get network(): Network {
    const { tables, environment } = this;
    return { files: this.machine.files, tables, addresses: this.#addresses, environment };
  }
}
