/**
 * One NIC and several drivers, one after the other. Each takes over the chip in the state in which its predecessor left
 * it: Linux's r8169, ours, r8169 again, iPXE in a machine that is started afterwards, and ours in a third one.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { qemuEnvironment } from "../guest/guest.ts";
import { ipxeCommand } from "../guest/ipxe.ts";
import { Nic } from "../guest/nic.ts";
import { scratchFolder } from "../guest/scratch.ts";
import { eventually } from "../rigs/eventually.ts";
import { noVfio } from "./available.ts";
import { assertNoOffence } from "./no-offence.ts";
import { GATEWAY, Machine, userNetwork } from "./machine.ts";

const INTERFACE = "fe0";
/** The address that QEMU's user network assigns to its first client. */
const NEAR = "10.0.2.15";
const MODULES = "cp /etc/passwd.rig /etc/passwd; modprobe -a tun vfio-pci af_packet";

/**
 * Chips of families that drivers take over in different ways, each with the signal that ends our driver. iPXE supports
 * no chip from the RTL8125 on.
 */
const CARDS = [
  { chip: "rtl8168h", slot: "06", ends: "KILL", ipxe: true },
  { chip: "rtl8169sc-180", slot: "07", ends: "KILL", ipxe: true },
  { chip: "rtl8125b", slot: "08", ends: "TERM", ipxe: false },
] as const;
type Card = (typeof CARDS)[number];
const addressOf = ({ slot }: Card): string => `0000:00:${slot}.0`;
const [FIRST] = CARDS;

describe("one NIC and its drivers, one after the other", { skip: noVfio() }, () => {
  const scope = new AsyncDisposableStack();
  const nics = new Map<Card, Nic>();
  let folder = "";
  let machine: Machine;

  const devices = (cards: readonly Card[]): readonly string[] =>
    cards.flatMap((card, i) => [
      ...userNetwork(i, join(folder, `${card.chip}.wire`)),
      ...nics.get(card)!.device({ id: card.chip, bus: "pcie.0", addr: card.slot }),
    ]);

  before(async () => {
    folder = scratchFolder();
    scope.defer(() => rmSync(folder, { recursive: true, force: true }));
    for (const card of CARDS) {
      const [socket, wire] = [join(folder, card.chip), `unix:${join(folder, card.chip)}.wire,listen`];
      nics.set(card, scope.use(await Nic.serve(undefined, { chip: card.chip, socket, wire, more: ["--keep-state"] })));
    }
    machine = await Machine.boot({ devices: devices(CARDS), prepared: `${MODULES} r8169` });
    scope.defer(() => machine[Symbol.asyncDispose]());
  });
  after(() => scope.disposeAsync());

  /** Binds a card to a driver as `ferrule bind` and `ferrule unbind` do, but without starting Node each time. */
  const give = (card: Card, driver: string): Promise<string> =>
    machine.guest.mustRun(
      `cd /sys/bus/pci/devices/${addressOf(card)}; echo ${driver} >driver_override
       [ -e driver ] && echo ${addressOf(card)} >driver/unbind; echo ${addressOf(card)} >/sys/bus/pci/drivers_probe`,
    );
  /** What `ethtool` shows of the kernel's interface once it has a link (modes, speed, wake-up), and the MAC address. */
  const settings = async (name: string): Promise<string> => {
    await machine.guest.mustRun(
      `ip link set ${name} up; until [ "$(cat /sys/class/net/${name}/carrier)" = 1 ]; do sleep 0.05; done`,
    );
    return machine.guest.mustRun(`ethtool ${name} | sed 1d; cat /sys/class/net/${name}/address`);
  };

  for (const card of CARDS)
    test(`${card.chip}: r8169 leaves in the middle of traffic, ours works; ours ends by SIG${card.ends} in the middle of traffic, r8169 works, with the same settings`, async () => {
      const theirs = await machine.interfaceOf(addressOf(card));
      const first = await settings(theirs);
      await machine.lease(theirs);
      {
        await using _traffic = await machine.flood(theirs);
        await give(card, "vfio-pci");
      }
      const up = await machine.up(addressOf(card), INTERFACE);
      await machine.works(INTERFACE);
      await machine.lease(INTERFACE);
      {
        await using _traffic = await machine.flood(INTERFACE);
        await machine.guest.mustRun(`kill -${card.ends} ${up.pid}`);
        await machine.ended(up);
      }
      await give(card, "r8169");
      const again = await machine.interfaceOf(addressOf(card));
      assert.equal(await settings(again), first);
      await machine.works(again);
      await assertNoOffence(nics.get(card)!);
    });

  test("iPXE works on a NIC as r8169 leaves it when the machine is reset", async () => {
    await machine[Symbol.asyncDispose]();
    const cards = CARDS.filter(({ ipxe }) => ipxe);
    const bytes = Buffer.alloc(1 << 20, "iPXE");
    const asked: string[] = [];
    await using ending = new AsyncDisposableStack();
    const server = createServer(({ url = "" }, response) => {
      asked.push(url);
      response.end(bytes);
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    ending.defer(() => void server.close());
    const { port } = server.address() as AddressInfo;
    const script = cards.flatMap(({ chip }, i) => [
      `set net${i}/ip ${NEAR}`,
      `set net${i}/netmask 255.255.255.0`,
      `ifopen net${i}`,
      `imgfetch http://${GATEWAY}:${port}/${chip} && imgfetch http://${GATEWAY}:${port}/${chip}/done`,
      `ifclose net${i}`,
    ]);
    const [program, ...args] = ipxeCommand(folder, ["#!ipxe", ...script, ""].join("\n"), devices(cards));
    const child = spawn(program!, args, { stdio: ["ignore", "ignore", "inherit"], env: qemuEnvironment() });
    const ended = once(child, "exit");
    ending.defer(async () => {
      child.kill("SIGKILL");
      await ended;
    });
    await eventually(
      () => `iPXE's requests on each NIC; so far ${asked.join(" ")}`,
      () => cards.every(({ chip }) => asked.includes(`/${chip}/done`)),
    );
    for (const card of cards) {
      // iPXE leaves the padding of frames to the chip.
      await assertNoOffence(nics.get(card)!, ["short"]);
      assert.ok((await nics.get(card)!.state()).traffic.receivedBytes > bytes.length);
    }
  });

  test("our driver works on a NIC as iPXE leaves it", async () => {
    machine = await Machine.boot({ devices: devices(CARDS), prepared: MODULES });
    await give(FIRST, "vfio-pci");
    await machine.up(addressOf(FIRST), INTERFACE);
    await machine.works(INTERFACE);
    assert.ok((await nics.get(FIRST)!.state()).clients >= 3, "fewer than three machines have connected to the NIC");
  });
});
