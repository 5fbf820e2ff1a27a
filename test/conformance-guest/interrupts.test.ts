/**
 * Each kind of interrupt of a chip, in a guest with two processors. The guest answers echo requests that arrive one at
 * a time, so that a lost interrupt is visible: nothing else makes the driver poll.
 */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { FAR, NEAR, type Rig } from "../guest/rig.ts";
import { eventually } from "../rigs/eventually.ts";
import { EchoPeer, PEER_MAC } from "./echo-peer.ts";
import { type Cell, onEachChip, ROUND_TRIPS_VARIABLE } from "./grid.ts";

const TRIPS = Number(process.env[ROUND_TRIPS_VARIABLE] ?? 10_000);
const MOVED_TRIPS = 3_000;
/**
 * Maximum number of rounds, each of which drops one interrupt. The rounds end once the dropped interrupt was that of a
 * request, not that of a reply.
 */
const ROUNDS = 20;

const KINDS = { intx: "INTx", msi: "MSI", msix: "MSI-X" } as const;
type Kind = keyof typeof KINDS;

/** Generations for which the driver uses only INTx, whatever the card offers. */
const WIRE_ONLY = ["8168b", "8101", "8401", "8102"];

const uses = ({ chip }: Cell, kind: Kind): boolean => {
  if (kind === "intx") return true;
  if (chip.bus === "pci" || WIRE_ONLY.includes(chip.die)) return false;
  return kind === "msi" || chip.profile.function.msixVectors > 0;
};

/** The interface's interrupt number, and the line of /proc/interrupts with its counts. */
const interruptOf = async (
  rig: Rig,
): Promise<{ readonly line: string; readonly irq: string; readonly count: number }> => {
  const line = await rig.guest.mustRun(`grep ' ${NEAR.name}$' /proc/interrupts`);
  const [, irq, counts] = /^\s*(\d+):((?:\s+\d+)+)\s/.exec(line) ?? [];
  assert.ok(irq !== undefined && counts !== undefined, line);
  const count = counts
    .trim()
    .split(/\s+/)
    .reduce((sum, one) => sum + Number(one), 0);
  return { line, irq, count };
};

for (const kind of ["intx", "msi", "msix"] as const)
  onEachChip(
    `interrupts, ${KINDS[kind]}`,
    {
      bare: true,
      interrupts: kind,
      smp: 2,
      far: "none",
      only: (cell) => uses(cell, kind),
    },
    (bench) => {
      let peer: EchoPeer | undefined;
      after(async () => {
        await peer?.[Symbol.asyncDispose]();
      });

      test("are used by the driver if the NIC offers no better kind", async (t) => {
        const { rig } = bench();
        await rig.guest.mustRun("echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6; modprobe r8169");
        peer = await EchoPeer.open(rig.cable, (await rig.nic.state()).mac);
        const { name, ipv4 } = NEAR;
        await rig.guest.mustRun(
          `ip link set ${name} up; ip addr add ${ipv4}/24 dev ${name}; ip neigh add ${FAR.ipv4} lladdr ${PEER_MAC} dev ${name}`,
        );
        await rig.carrier(true);
        const { line, irq } = await interruptOf(rig);
        const mode = await rig.guest.run(`cat /sys/class/net/${name}/device/msi_irqs/${irq}`);
        assert.equal(mode.exit === 0 ? mode.stdout.trim() : "intx", kind, line);
        t.diagnostic(line.trim().replace(/\s+/g, " "));
      });

      test(`are never lost in ${TRIPS} round trips, one at a time`, async (t) => {
        const before = await interruptOf(bench().rig);
        const { answered, lost, seconds, slowest } = await peer!.trips(TRIPS);
        assert.equal(lost, 0);
        assert.equal(answered, TRIPS);
        const { count } = await interruptOf(bench().rig);
        const each = (seconds / TRIPS) * 1e6;
        t.diagnostic(
          `${each.toFixed(0)} µs each, ${slowest.toFixed(0)} ms the slowest, ${((count - before.count) / TRIPS).toFixed(2)} interrupts each`,
        );
      });

      test("are not lost while they move from one processor to the other and back", async () => {
        const { rig } = bench();
        const { irq } = await interruptOf(rig);
        const affinity = `/proc/irq/${irq}/smp_affinity`;
        await using _mover = await rig.guest.start(
          `while :; do echo 1 >${affinity}; sleep 0.02; echo 2 >${affinity}; sleep 0.02; done`,
        );
        /** The number of interrupts on each processor. */
        const counts = async (): Promise<readonly number[]> =>
          /:\s+(\d+)\s+(\d+)/
            .exec((await interruptOf(rig)).line)!
            .slice(1)
            .map(Number);
        const before = await counts();
        await eventually("interrupts on both processors", async () => {
          assert.equal((await peer!.trips(MOVED_TRIPS)).lost, 0);
          return (await counts()).every((count, i) => count > before[i]!);
        });
      });

      test("are reported as lost by the test if the model drops one", async () => {
        const { rig } = bench();
        // The dropped interrupt may be one that a sent reply has caused. The next request is then still answered.
        let lost = 0;
        for (let round = 0; lost === 0 && round < ROUNDS; round++) {
          await rig.nic.ask({ command: "fault", name: "lost-interrupt", count: 1 });
          ({ lost } = await peer!.trips(1, 1_000));
        }
        assert.equal(lost, 1);
        await rig.guest.mustRun(`ip link set ${NEAR.name} down; ip link set ${NEAR.name} up`);
        await rig.carrier(true);
        await rig.guest.mustRun(`ip neigh replace ${FAR.ipv4} lladdr ${PEER_MAC} dev ${NEAR.name}`);
        assert.equal((await peer!.trips(100)).lost, 0);
      });
    },
  );
