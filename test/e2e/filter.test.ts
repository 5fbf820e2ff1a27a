/**
 * Tests that an interface of `ferrule up` receives the frames that a user requests and no others, also after changes of
 * MTU, name and network namespace.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Probe, type Target } from "../rigs/probe.ts";
import { noTwoEnds } from "../rigs/skip.ts";
import { NEAR_MAC, Running, type TwoEnds, ip, openTwoEnds } from "../rigs/two-ends.ts";

const skip = noTwoEnds(["ip", "bridge", "bash", "ping", "tcpdump"]);

const STRANGER: Target = { ip: "10.77.0.77", mac: "02:00:5e:77:00:01" };
/**
 * Groups for the test. Each has a bit of the hash to itself: no other group of the test, and no group that every
 * interface joins, has the same bit.
 */
const GROUP: Target = { ip: "239.77.1.1" };
const GROUP_MAC = "01:00:5e:4d:01:01";
const OTHER_GROUP: Target = { ip: "239.77.1.2" };
const GROUP6: Target = { ip: "ff05::77:1" };

/** The interface, with the namespace and the name that the test has given it. */
class Subject {
  namespace: string;
  name: string;
  constructor(namespace: string, name: string) {
    this.namespace = namespace;
    this.name = name;
  }

  /** Runs `ip` in the interface's namespace. NAME in `words` stands for the interface's name. */
  ip(words: string): Promise<string> {
    return ip(`-n ${this.namespace} ${words.replaceAll("NAME", this.name)}`);
  }

  /** Renames the interface. Kernels before 6.3 allow that only while it is down. */
  async rename(name: string): Promise<void> {
    await this.ip(`link set NAME name ${name}`).catch(() =>
      ip(`-n ${this.namespace} link set ${this.name} down name ${name} up`),
    );
    this.name = name;
  }

  async move(namespace: string): Promise<void> {
    await this.ip(`link set NAME netns ${namespace}`);
    this.namespace = namespace;
    await this.ip("link set NAME up");
  }
}

/** A request of a user of the interface. */
interface FilterRequest {
  readonly title: string;
  /** The destination of the frames that arrive only while the request is in force. */
  readonly target: Target;
  /** The destination of the frames that never arrive. */
  readonly bystander?: Target;
  /** Makes the request; returns a function that withdraws it. */
  ask(subject: Subject, ends: TwoEnds): Promise<() => Promise<unknown>>;
}

const byWords = (on: string, off: string): FilterRequest["ask"] => {
  return async (subject) => {
    await subject.ip(on);
    return () => subject.ip(off);
  };
};

const REQUESTS: readonly FilterRequest[] = [
  {
    title: "promiscuous mode",
    target: STRANGER,
    ask: byWords("link set NAME promisc on", "link set NAME promisc off"),
  },
  {
    title: "a packet socket that wants every frame",
    target: STRANGER,
    async ask({ namespace, name }) {
      const tcpdump = Running.in(namespace, "tcpdump", "-i", name, "-w", "/dev/null");
      await tcpdump.waitFor(/listening on/);
      return () => tcpdump[Symbol.asyncDispose]();
    },
  },
  {
    title: "a bridge that has the interface as a port",
    target: STRANGER,
    async ask(subject) {
      await subject.ip("link add br0 type bridge");
      await subject.ip("link set NAME master br0");
      await subject.ip("link set br0 up");
      return () => subject.ip("link del br0");
    },
  },
  {
    title: "a further unicast address",
    target: STRANGER,
    async ask(subject) {
      const fdb = async (word: string): Promise<void> => {
        const command = ["bridge", "fdb", word, STRANGER.mac!, "dev", subject.name, "self"];
        await using bridge = Running.in(subject.namespace, ...command);
        assert.equal(await bridge.ended(), "");
      };
      await fdb("add");
      return () => fdb("del");
    },
  },
  {
    title: "a macvlan in another namespace",
    target: STRANGER,
    async ask(subject, { far }) {
      await subject.ip(`link add link NAME name mv0 address ${STRANGER.mac} type macvlan mode bridge`);
      await subject.ip(`link set mv0 netns ${far} up`);
      return () => ip(`-n ${far} link del mv0`);
    },
  },
  {
    title: "all-multicast mode",
    target: GROUP,
    bystander: STRANGER,
    ask: byWords("link set NAME allmulticast on", "link set NAME allmulticast off"),
  },
  {
    title: "a group's Ethernet address",
    target: GROUP,
    bystander: OTHER_GROUP,
    ask: byWords(`maddr add ${GROUP_MAC} dev NAME`, `maddr del ${GROUP_MAC} dev NAME`),
  },
  {
    title: "an IPv4 group that is joined",
    target: GROUP,
    bystander: OTHER_GROUP,
    ask: byWords(`addr add ${GROUP.ip}/32 dev NAME autojoin`, `addr del ${GROUP.ip}/32 dev NAME`),
  },
  {
    title: "an IPv6 group that is joined",
    target: GROUP6,
    bystander: OTHER_GROUP,
    ask: byWords(`addr add ${GROUP6.ip}/128 dev NAME autojoin`, `addr del ${GROUP6.ip}/128 dev NAME`),
  },
];

/**
 * The interface's MAC address with another IP address: the target of the long frames that show whether the MTU has
 * changed.
 */
const LONG: Target = { ip: "10.77.0.3", mac: NEAR_MAC };

describe("frames reach the interface if a user requests them, and only then", { skip, timeout: 300_000 }, () => {
  for (const request of REQUESTS)
    test(request.title, async () => {
      const { target, bystander } = request;
      await using ends = await openTwoEnds();
      const subject = new Subject(ends.near, ends.host);
      await ip(`-n ${ends.far} link set ${ends.wire} mtu 9000`);
      await using probe = await Probe.open(ends, NEAR_MAC);
      const assertTarget = async (state: "arrives" | "is filtered"): Promise<void> => {
        await probe.settles(target, state);
        if (bystander !== undefined) assert.equal(await probe.arrives(bystander), false, `${bystander.ip} arrives`);
      };
      /**
       * Resolves once the NIC has the new MTU, which the test recognises by whether a packet with 3900 bytes of payload
       * arrives.
       */
      const setMtu = async (mtu: 1500 | 4000): Promise<void> => {
        await subject.ip(`link set NAME mtu ${mtu}`);
        await probe.settles(LONG, mtu === 4000 ? "arrives" : "is filtered", 3900);
      };

      await assertTarget("is filtered");
      const withdraw = await request.ask(subject, ends);
      await assertTarget("arrives");
      await setMtu(4000);
      await assertTarget("arrives");
      await subject.rename("lan0");
      await assertTarget("arrives");
      await setMtu(1500);
      await assertTarget("arrives");
      await withdraw();
      await assertTarget("is filtered");

      await subject.move(ends.third);
      await probe.listenOn(ends.third, "lan0");
      await assertTarget("is filtered");
      const withdrawThere = await request.ask(subject, ends);
      await assertTarget("arrives");
      await subject.rename("lan1");
      await setMtu(4000);
      await assertTarget("arrives");
      await withdrawThere();
      await assertTarget("is filtered");
    });
});

describe("interfaces on top of the NIC's interface receive the frames sent to them", { skip, timeout: 100_000 }, () => {
  const ADDRESS = "10.77.0.9";

  /** Pings from the far end until there is a reply. */
  const answers = async ({ far }: TwoEnds): Promise<void> => {
    await using ping = Running.in(far, "ping", "-i", "0.1", "-c", "200", ADDRESS);
    await ping.waitFor(/bytes from/);
  };

  test("a macvlan that was moved to a third namespace and addressed there", async () => {
    await using ends = await openTwoEnds();
    const { near, far, third, host, wire } = ends;
    await ip(`-n ${far} addr add 10.77.0.2/24 dev ${wire}`);
    await ip(`-n ${near} link add link ${host} name mv0 type macvlan mode bridge`);
    await ip(`-n ${near} link set mv0 netns ${third}`);
    await ip(`-n ${third} addr add ${ADDRESS}/24 dev mv0`);
    await ip(`-n ${third} link set mv0 up`);
    await answers(ends);
  });

  test("a bridge with an address of its own", async () => {
    await using ends = await openTwoEnds();
    const { near, far, host, wire } = ends;
    await ip(`-n ${far} addr add 10.77.0.2/24 dev ${wire}`);
    await ip(`-n ${near} link add br0 address 02:00:5e:10:00:99 type bridge`);
    await ip(`-n ${near} link set ${host} master br0`);
    await ip(`-n ${near} addr add ${ADDRESS}/24 dev br0`);
    await ip(`-n ${near} link set br0 up`);
    await answers(ends);
  });
});
