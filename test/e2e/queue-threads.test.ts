/**
 * Tests a thread for each queue while the NIC is stopped and started under traffic: every frame of the host must be
 * sent or counted.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { openSession } from "#app/open-session.ts";
import type { Session } from "#app/session.ts";
import { NetworkNamespace } from "#sys/namespace.ts";
import { whyNoNamespace, whyNoTap } from "#sys/permitted.ts";
import { eventually } from "../rigs/eventually.ts";

const skip = (whyNoNamespace() ?? whyNoTap())?.message ?? false;
const QUEUES = 4;

const shell = (namespace: NetworkNamespace, script: string): string => {
  const { status, stdout, stderr } = namespace.within(() => spawnSync("bash", ["-ec", script]));
  assert.equal(status, 0, String(stderr));
  return String(stdout).trim();
};

/** Starts a process that sends datagrams to the other end, each in its own flow, until the process is ended. */
const traffic = (namespace: NetworkNamespace, peer: string, scope: AsyncDisposableStack): ChildProcess => {
  const script = `while :; do echo >/dev/udp/${peer}/9; done 2>/dev/null`;
  const child = namespace.within(() => spawn("bash", ["-c", script], { stdio: "ignore" }));
  scope.defer(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exit = once(child, "exit");
    child.kill("SIGKILL");
    await exit;
  });
  return child;
};

const end = async (child: ChildProcess): Promise<void> => {
  const exit = once(child, "exit");
  child.kill("SIGKILL");
  await exit;
};

test(
  "four queues with a thread each: new rings, another MTU, sleep and reset under traffic lose no frame uncounted",
  { skip },
  async () => {
    using near = NetworkNamespace.create();
    using far = NetworkNamespace.create();
    await using scope = new AsyncDisposableStack();
    const ours = { kind: "tap", name: "fw0", namespace: far.fd } as const;
    const session: Session = scope.use(
      await openSession({
        device: { kind: "model", chip: "rtl8125b", wire: ours },
        host: { name: "ft0", namespace: near.fd },
        mtu: 1500,
        queues: QUEUES,
        queueThreads: true,
      }),
    );
    const events: string[] = [];
    session.onEvent((event) => {
      if (event.kind === "warning" || event.kind === "failed") events.push(JSON.stringify(event));
    });
    await session.carrier(60_000);
    for (const [namespace, name, ip, peer] of [
      [near, "ft0", "10.81.71.1", "10.81.71.2"],
      [far, "fw0", "10.81.71.2", "10.81.71.1"],
    ] as const)
      shell(
        namespace,
        `echo 1 >/proc/sys/net/ipv6/conf/${name}/disable_ipv6; ip addr add ${ip}/24 dev ${name}; ip link set ${name} up; ping -c 1 -W 60 ${peer} || true`,
      );
    const senders = [traffic(near, "10.81.71.2", scope), traffic(far, "10.81.71.1", scope)];
    /**
     * Waits until both transmit queues have sent frames and all four receive queues have received some. Called after
     * each step.
     */
    const flows = async (what: string): Promise<void> => {
      const before = session.statistics();
      await eventually(`frames in every receive queue after ${what}`, () => {
        const now = session.statistics();
        const sends = now.queues.filter(({ sentFrames }, i) => sentFrames > before.queues[i]!.sentFrames).length;
        const receives = now.queues.every(({ receivedFrames }, i) => receivedFrames > before.queues[i]!.receivedFrames);
        return (sends === 2 && receives) || undefined;
      });
    };
    await flows("the start");
    await session.operate("setRings", { rx: 512 });
    await flows("new rings");
    shell(near, "ip link set ft0 mtu 1400");
    await eventually("the MTU", () => session.statistics().mtu === 1400 || undefined);
    await flows("another MTU");
    await session.operate("suspend", {});
    await session.operate("resume", {});
    await flows("a sleep");
    await session.operate("reset", {});
    await flows("a reset");
    for (const sender of senders) await end(sender);

    const sentByHost = (): number =>
      Number(shell(near, "cat /proc/self/net/dev").match(/ft0:(?:\s+\d+){9}\s+(\d+)/)![1]);
    const settled = await eventually("every frame of the host to be sent or counted", () => {
      const { wireSentFrames, sendDrops, sendDiscards, sentFrames } = session.statistics();
      return wireSentFrames + sendDrops + sendDiscards === sentByHost() ? { sentFrames } : undefined;
    });
    assert.ok(settled.sentFrames > 0);
    await session.close();
    const { offences, receiveErrors, deviceNonsense, receiveDrops, queues, sentFrames, receivedFrames } =
      session.statistics();
    assert.deepEqual(
      { offences, receiveErrors, deviceNonsense, receiveDrops },
      {
        offences: 0,
        receiveErrors: 0,
        deviceNonsense: 0,
        receiveDrops: 0,
      },
    );
    const total = (name: "sentFrames" | "receivedFrames"): number => queues.reduce((sum, each) => sum + each[name], 0);
    assert.deepEqual([total("sentFrames"), total("receivedFrames")], [sentFrames, receivedFrames]);
    assert.deepEqual(events, []);
  },
);
