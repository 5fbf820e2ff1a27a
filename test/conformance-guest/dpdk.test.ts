/**
 * DPDK's own driver for Realtek's cards, net_r8169, as Debian ships it: another C driver, written by Realtek, which
 * uses the chip in other ways than Linux's driver. It polls, and from the RTL8125 on it uses descriptors of 32 bytes
 * and reads the transmit ring's progress from pointer registers. DPDK 24.11 supports the RTL8125A, B, BP and D and the
 * RTL8126A, with one queue in each direction; later versions (`--dpdk newest`) support every chip since the RTL8168G,
 * and RSS over several queues on the RTL8126A and RTL8127A.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { identityOf } from "#chip/pci-identity.ts";
import { RSS_ENTRIES } from "#chip/rss.ts";
import { LINK_SPEEDS, type LinkSpeed } from "#model/phy/link-partner.ts";
import { IPV4, KEY, type Vector } from "#model/frames/rss.test-kit.ts";
import { type Ends, buildTcpFrame, buildUdpFrame } from "#wire/frames.ts";
import { parseMac } from "#wire/mac.ts";
import { type Memory, newMemory } from "#wire/memory.ts";
import { TcpFlag } from "#wire/tcp.ts";
import { noRig } from "../guest/available.ts";
import { dpdkArchive } from "../guest/dpdk.ts";
import { DPDKS, type DpdkName, processorOf, versionsOf } from "../guest/parts.ts";
import { FAR, NEAR, type Rig } from "../guest/rig.ts";
import { eventually } from "../rigs/eventually.ts";
import { type Cell, cells, DPDK_VARIABLE, onEachChip } from "./grid.ts";
import { HUGE_PAGES, Testpmd } from "./testpmd.ts";
import { checkFrame, type CheckedFrame } from "./wire-check.ts";

const DPDK = DPDKS.find((name) => name === process.env[DPDK_VARIABLE]) ?? "24.11";
const SUBJECT = DPDK === "24.11" ? "dpdk" : `dpdk, ${DPDK}`;
/** XIDs that all DPDK versions support: rtl_get_mac_version in drivers/net/r8169. `DIES` has those of each version. */
const SINCE_8125 = [0x608, 0x609, 0x640, 0x641, 0x648, 0x649, 0x64a, 0x680, 0x681, 0x688, 0x689];
// prettier-ignore
// oxfmt-ignore
const DIES: Readonly<Record<DpdkName, readonly number[]>> = {
  "24.11": SINCE_8125,
  newest: [
    ...SINCE_8125, 0x68a, 0x68b, 0x6c9, 0x708,
    0x4c0, 0x4c1, 0x500, 0x501, 0x502, 0x508, 0x509, 0x540, 0x541, 0x549, 0x54a, 0x54b, 0x54c, 0x6c0,
  ],
};
/** PCI device IDs in DPDK's pci_id_r8169_map. */
const DEVICES = [0x8125, 0x8126, 0x8127, 0x8162, 0x8168];
/** Whether the DPDK version under test supports the chip. DPDK's packages are fetched for amd64 only. */
const known = ({ chip, kernel }: Cell): boolean =>
  DIES[DPDK].includes(chip.xid) && DEVICES.includes(identityOf(chip).device) && processorOf(kernel) === "amd64";
/** Whether the driver uses RSS on the chip (EnableRss in rtl_init_software_variable). */
const steered = ({ chip }: Cell): boolean => DPDK === "newest" && [0x649, 0x64a, 0x6c9].includes(chip.xid);

const LARGE = ["--rxd=256", "--txd=256", "--total-num-mbufs=4096", "--enable-scatter", "--disable-link-check"];
const SMALL = ["--rxd=64", "--txd=64", "--total-num-mbufs=2048"];
const RESTARTS = 3;
const ECHOES = 500;
/** Minimum number of frames that are sent as fast as possible. */
const MANY = 1000;
const BURST = 5;
const JUMBO = 9000;
/** testpmd uses at most as many receive as transmit queues. The driver offers 4 receive and 2 transmit queues. */
const QUEUES = ["--rxq=2", "--txq=2"];

const number = (text: string, name: string): number => {
  const found = new RegExp(`${name}: +(\\d+)`).exec(text);
  assert.ok(found !== null, `no ${name} in\n${text}`);
  return Number(found[1]);
};

interface Counts {
  readonly received: number;
  readonly sent: number;
  readonly missed: number;
}

const counts = async (pmd: Testpmd): Promise<Counts> => {
  const output = await pmd.ask("show port stats 0");
  return {
    received: number(output, "RX-packets"),
    sent: number(output, "TX-packets"),
    missed: number(output, "RX-missed"),
  };
};

/** Waits until testpmd's output about the port matches; returns the match. @throws {Error} */
const until = async (pmd: Testpmd, what: RegExp): Promise<string> => {
  let output = "";
  return eventually(
    () => `${what} in ${output}`,
    async () => {
      output = await pmd.ask("show port info 0");
      return what.test(output) && output;
    },
    100,
  );
};

/** Resolves when the driver reports the link up at that speed. @throws {Error} */
const linked = async (pmd: Testpmd, speed: LinkSpeed): Promise<void> => {
  const spelled = speed < 1000 ? `${speed} Mbps` : `${speed / 1000} Gbps`;
  const output = await until(pmd, new RegExp(`Link status: up\nLink speed: ${spelled}`));
  assert.match(output, /Link duplex: full-duplex/);
};

const speedsOf = ({ chip }: Cell): readonly LinkSpeed[] => LINK_SPEEDS.filter((speed) => speed <= chip.speed);

/** Asserts that every request gets a reply, however long that takes. */
const answered = async ({ far }: Rig, options = "-c 3 -i 0.05"): Promise<string> =>
  far.mustRun(`ping -q -w 250 ${options} ${NEAR.ipv4}`);

const STRANGER = "02:00:5e:10:00:99";
const GROUP = "01:00:5e:01:02:03";
const FROM = 0x0a090002;
const TO = 0x0a090001;
const DESTINATION_PORT = 5000;
/** Source ports, by which the frames of each test are identified. */
const PORT = { any: 3999, checksum: 4000, cut: 4001, tag: 4002, generated: 9 } as const;
/**
 * Payload lengths, odd and even. All make frames that need no padding, because these chips include padding in
 * checksums.
 */
const LENGTHS = [18, 19, 100, 999];
/** Payload length of the first of several flows. A flow is identified by the length of its frames. */
const FIRST_FLOW = 100;
const UDP_HEADERS = 42;
/** Segment size for TSO, in bytes. */
const SEGMENT = 1000;

const endsTo = (mac: string, more: Partial<Ends> = {}): Ends => ({
  destination: parseMac(mac),
  source: parseMac("02:00:5e:10:00:02"),
  from: FROM,
  to: TO,
  ...more,
});

const frameOf = (build: (memory: Memory) => number): string => {
  const memory = newMemory(2000);
  return Buffer.from(memory.bytes.subarray(0, Math.max(60, build(memory)))).toString("hex");
};

const payload = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => i * 7);

const datagram = (ends: Ends, sourcePort: number, length = 100): string => {
  const ports = { sourcePort, destinationPort: DESTINATION_PORT };
  return frameOf((memory) => buildUdpFrame(memory, 0, ends, ports, payload(length)));
};

const segment = (ends: Ends, sourcePort: number, length: number): string => {
  const [destinationPort, flags] = [DESTINATION_PORT, TcpFlag.ack];
  const header = {
    sourcePort,
    destinationPort,
    sequence: 1,
    acknowledgement: 2,
    headerLength: 20,
    flags,
    window: 1000,
  };
  return frameOf((memory) => buildTcpFrame(memory, 0, ends, header, payload(length)));
};

const address = (dotted: string): number => dotted.split(".").reduce((number, byte) => number * 256 + Number(byte), 0);

/** A frame of one of the flows of Microsoft's RSS test vectors, with `length` bytes of payload. */
const datagramOf = (mac: string, { from, fromPort, to, toPort }: Vector, length: number): string => {
  const ends = endsTo(mac, { from: address(from), to: address(to) });
  const ports = { sourcePort: fromPort, destinationPort: toPort };
  return frameOf((memory) => buildUdpFrame(memory, 0, ends, ports, payload(length)));
};

/** The queue on which testpmd received a frame of that length; -1 if none was received. */
const queueOf = (output: string, length: number): number => {
  for (const [, queue, frames] of output.matchAll(/queue (\d+): received \d+ packets\n((?: .*\n)*)/g))
    if (frames!.includes(`length=${length} `)) return Number(queue);
  return -1;
};

/** Number of frames sent from the queue. */
const sentBy = (output: string, queue: number): number =>
  Number(new RegExp(`TX Port= 0/Queue= ${queue} -+\n.*TX-packets: (\\d+)`).exec(output)?.[1]);

const inject = async ({ nic }: Rig, frames: readonly string[]): Promise<void> => {
  for (const frame of frames) await nic.ask({ command: "send", frame });
};

/** Runs `act`, and waits until at least `frames` more frames have been sent. */
const sending = async ({ nic }: Rig, frames: number, act: () => Promise<unknown>): Promise<void> => {
  const before = (await nic.state()).traffic.sentFrames;
  await act();
  await eventually(
    `${frames} frames on the wire`,
    async () => (await nic.state()).traffic.sentFrames - before >= frames,
  );
};

const archives = noRig() === false && cells().some(known) ? [dpdkArchive(DPDK)] : [];
const OPTIONS = {
  bare: true,
  smp: 2,
  megabytes: 512,
  append: [HUGE_PAGES],
  archives,
  capture: true,
  only: known,
  keeps: ["dpdk-testpmd", "sleep"],
};

/**
 * Offences of this driver. During set-up it calls a function that unlocks the configuration registers and locks them
 * again (rtl_enable_aspm_clkreq_lock in rtl_hw_config), and then writes Config1.
 */
const OFFENCES = ["locked"];

onEachChip(SUBJECT, { ...OPTIONS, offences: OFFENCES }, (bench) => {
  let pmd: Testpmd;
  const forward = async (mode: string, work: () => Promise<unknown>): Promise<void> => {
    await pmd.ask(`set fwd ${mode}`);
    await pmd.ask("start");
    try {
      await work();
    } finally {
      await pmd.ask("stop");
    }
  };

  test("the driver finds the chip, its address and its fastest link", async (t) => {
    const { rig, cell } = bench();
    pmd = await Testpmd.start(rig.guest, ...LARGE);
    await linked(pmd, cell.chip.speed as LinkSpeed);
    const output = await pmd.ask("show port info 0");
    assert.match(output, /Driver name: net_r8169/);
    const { mac } = await rig.nic.state();
    assert.ok(output.toLowerCase().includes(`mac address: ${mac}`), output);
    t.diagnostic(
      `DPDK ${versionsOf(`dpdk-${DPDK}`)["dpdk-dev"]}, microcode ${/Firmware-version: (\S+)/.exec(output)?.[1]}`,
    );
  });

  test("echoes of every length are answered", async () => {
    const { rig } = bench();
    await forward("icmpecho", async () => {
      for (const size of [0, 1, 8, 17, 18, 19, 56, 999, 1471, 1472]) await answered(rig, `-c 3 -i 0.02 -s ${size}`);
    });
  });

  test(`${ECHOES} echoes as fast as possible, and the driver's counters match the wire`, async (t) => {
    const { rig } = bench();
    await pmd.ask("clear port stats all");
    const { traffic: before } = await rig.nic.state();
    await forward("icmpecho", async () => {
      const output = await answered(rig, `-c ${ECHOES} -i 0`);
      t.diagnostic(`round trip ${/rtt .* = (\S+ ms)/.exec(output)?.[1]} (min/avg/max/mdev)`);
    });
    const { traffic: after } = await rig.nic.state();
    assert.deepEqual(await counts(pmd), {
      received: after.receivedFrames - before.receivedFrames,
      sent: after.sentFrames - before.sentFrames,
      missed: 0,
    });
  });

  test("frames that testpmd sends as fast as possible reach the wire", async (t) => {
    const { rig } = bench();
    await pmd.ask("clear port stats all");
    const { traffic: before } = await rig.nic.state();
    const start = performance.now();
    await forward("txonly", () => sending(rig, MANY, async () => {}));
    const seconds = (performance.now() - start) / 1000;
    const sent = await eventually("the frames sent on the wire", async () => {
      const { sent } = await counts(pmd);
      return (await rig.nic.state()).traffic.sentFrames - before.sentFrames === sent && sent;
    });
    t.diagnostic(`${sent} frames in about ${seconds.toFixed(1)} s`);
  });

  /** Changes the port's settings, which is only possible while it is stopped. */
  const settings = async (...commands: readonly string[]): Promise<void> => {
    await pmd.ask("port stop 0");
    for (const command of commands) assert.doesNotMatch(await pmd.ask(command), /fail|invalid|not supported|bad/i);
    await pmd.ask("port start 0");
    await linked(pmd, bench().cell.chip.speed as LinkSpeed);
  };

  test("frames to other stations are received while the driver is promiscuous", async () => {
    const { rig } = bench();
    const own = (await rig.nic.state()).mac;
    const countReceived = async (): Promise<readonly number[]> => {
      const received: number[] = [];
      await forward("rxonly", async () => {
        let { received: before } = await counts(pmd);
        for (const to of [own, "ff:ff:ff:ff:ff:ff", STRANGER, GROUP]) {
          const frames = Array.from({ length: BURST }, () => datagram(endsTo(to), PORT.any, 1));
          await inject(rig, frames);
          const { received: now } = await counts(pmd);
          received.push(now - before);
          before = now;
        }
      });
      return received;
    };
    assert.deepEqual(await countReceived(), [BURST, BURST, BURST, BURST]);
    // The driver keeps receiving multicast until `settings` restarts the port.
    await settings("set promisc all off");
    assert.deepEqual(await countReceived(), [BURST, BURST, 0, 0]);
  });

  // Tests only the first interrupt after a start: uio_pci_generic masks INTx at each interrupt, and DPDK's driver does
  // not make uio_pci_generic unmask INTx.
  test("an interrupt informs the driver that the cable was plugged in", async () => {
    const { rig, cell } = bench();
    await pmd.ask("port stop 0");
    await rig.nic.ask({ command: "link", up: false });
    await pmd.ask("port start 0");
    assert.match(await pmd.ask("show port info 0"), /Link status: down/);
    await rig.nic.ask({ command: "link", up: true });
    await linked(pmd, cell.chip.speed as LinkSpeed);
  });

  test("every speed links when the driver offers no other", async (t) => {
    const speeds = speedsOf(bench().cell);
    for (const speed of speeds) {
      await pmd.ask("port stop 0");
      await pmd.ask(`port config 0 speed ${speed} duplex full`);
      await pmd.ask("port start 0");
      await linked(pmd, speed);
    }
    await settings("port config 0 speed auto duplex auto");
    t.diagnostic(`${speeds.join(", ")} Mbit/s`);
  });

  // VLAN stripping is not tested, because the driver undoes the setting: it enables stripping in RxConfig, and then
  // overwrites that register (rtl_rx_init).
  test("checksums, segmentation and VLAN tags are offloaded, and every frame on the wire is correct", async () => {
    const { rig } = bench();
    const { mac } = await rig.nic.state();
    await settings("csum set ip hw 0", "csum set udp hw 0", "csum set tcp hw 0", `tso set ${SEGMENT} 0`);
    await forward("csum", async () => {
      const frames = [datagram, segment].flatMap((make) =>
        LENGTHS.map((length) => make(endsTo(mac), PORT.checksum, length)),
      );
      const all = [...frames, segment(endsTo(mac), PORT.cut, SEGMENT + 400)];
      // The last frame is sent as two segments.
      await sending(rig, all.length + 1, () => inject(rig, all));
    });
    await settings("tso set 0 0", "tx_vlan set 0 77");
    await forward("mac", async () => {
      const both = [datagram(endsTo(mac), PORT.tag), datagram(endsTo(mac, { tag: 5 }), PORT.tag)];
      await sending(rig, both.length, () => inject(rig, both));
    });
    await settings("tx_vlan reset 0");

    const sent = (await rig.frames()).map(checkFrame).filter((frame) => frame.sent);
    assert.deepEqual(
      sent.flatMap(({ faults }) => faults),
      [],
    );
    const from = (port: number): readonly CheckedFrame[] => sent.filter(({ source }) => source === port);
    assert.equal(from(PORT.checksum).length, 2 * LENGTHS.length);
    assert.deepEqual(
      from(PORT.cut).map(({ bytes }) => bytes.length),
      [54 + SEGMENT, 54 + 400],
    );
    assert.deepEqual(
      from(PORT.tag).map(({ tags }) => tags.map(([, control]) => control)),
      [[77], [77, 5]],
    );
    const generated = from(PORT.generated);
    assert.ok(generated.length >= MANY && generated.every(({ bytes }) => bytes.length === 64));
  });

  test(`frames of ${JUMBO} bytes pass both ways, each in several descriptors`, async () => {
    const { rig } = bench();
    await settings(`port config mtu 0 ${JUMBO}`);
    await rig.far.mustRun(`ip link set ${FAR.name} mtu ${JUMBO}`);
    await forward("icmpecho", async () => {
      for (const size of [1472, 2000, 4000, JUMBO - 28]) await answered(rig, `-c 3 -i 0.05 -M do -s ${size}`);
    });
    await rig.far.mustRun(`ip link set ${FAR.name} mtu 1500`);
  });

  test(`the port works after each of ${RESTARTS} restarts`, async () => {
    const { rig, cell } = bench();
    for (let i = 0; i < RESTARTS; i++) {
      await pmd.ask("port stop 0");
      await pmd.ask("port start 0");
      await linked(pmd, cell.chip.speed as LinkSpeed);
      await forward("icmpecho", () => answered(rig));
    }
  });

  test("flows are received on the queues that Microsoft's hash selects, and sent from the same queues", async (t) => {
    const { rig, cell } = bench();
    if (!steered(cell)) return t.skip("this driver has one queue for this chip");
    await pmd.ask("port stop 0");
    await pmd.ask("port close 0");
    await pmd.quit();
    pmd = await Testpmd.start(rig.guest, ...SMALL, ...QUEUES, "--no-lsc-interrupt");
    await linked(pmd, cell.chip.speed as LinkSpeed);
    const { mac } = await rig.nic.state();
    const key = Buffer.from(KEY).toString("hex");
    for (const [hashed, over] of [
      ["ipv4-udp", "withPorts"],
      ["ipv4", "addresses"],
    ] as const) {
      const queues = IPV4.map((_, flow) => (flow + 1) % 2);
      await pmd.ask(`port config 0 rss-hash-key ${hashed} ${key}`);
      for (const [flow, vector] of IPV4.entries())
        await pmd.ask(`port config 0 rss reta (${vector[over] % RSS_ENTRIES},${queues[flow]})`);
      await pmd.ask("set fwd mac");
      await pmd.ask("set verbose 1");
      await pmd.ask("start");
      const flows = IPV4.map((vector, flow) => datagramOf(mac, vector, FIRST_FLOW + flow));
      await sending(rig, flows.length, () => inject(rig, flows));
      const output = await pmd.ask("stop");
      assert.deepEqual(
        IPV4.map((_, flow) => queueOf(output, UDP_HEADERS + FIRST_FLOW + flow)),
        queues,
        `by ${over}: ${output}`,
      );
      for (const queue of [0, 1])
        assert.equal(sentBy(output, queue), queues.filter((one) => one === queue).length, output);
    }
    const sent = (await rig.frames()).map(checkFrame).filter(({ sent }) => sent);
    for (const { fromPort } of IPV4) {
      const flow = sent.filter(({ source }) => source === fromPort);
      assert.deepEqual(
        flow.map(({ faults }) => faults),
        [[], []],
      );
    }
  });

  test("the driver works after its port is closed and testpmd is restarted, and the link comes up at each speed if the partner supports only that speed", async () => {
    const { rig, cell } = bench();
    await pmd.ask("port stop 0");
    await pmd.ask("port close 0");
    await pmd.quit();
    pmd = await Testpmd.start(rig.guest, ...SMALL, "--no-lsc-interrupt");
    for (const speed of speedsOf(cell)) {
      await rig.nic.ask({ command: "link", up: false });
      await until(pmd, /Link status: down/);
      await rig.nic.ask({ command: "partner", abilities: { speeds: [speed] } });
      await rig.nic.ask({ command: "link", up: true });
      await linked(pmd, speed);
    }
    await forward("icmpecho", () => answered(rig));
    assert.match(await pmd.quit(), /Bye/);
  });
});
