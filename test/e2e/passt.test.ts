/** A guest's stock driver, our NIC, and Debian's passt at the far end: access to the host's network without root. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { chmodSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { openServer, type Serving } from "#app/serve/open-server.ts";
import type { ServeState } from "#app/serve/requests.ts";
import { noRig } from "../guest/available.ts";
import { Guest } from "../guest/guest.ts";
import { HostBackground } from "../rigs/background.ts";
import { eventually } from "../rigs/eventually.ts";

/**
 * Returns the address of the host's interface that has the default route, and the gateway's address. passt gives the
 * first to the guest too, and maps the second to the host.
 */
const hostAddress = (): { readonly address: string; readonly gateway: string } | undefined => {
  const route = spawnSync("ip", ["-4", "route", "show", "default"], { encoding: "utf8" }).stdout ?? "";
  const gateway = /default via (\S+) dev (\S+)/.exec(route);
  const cidr = networkInterfaces()[gateway?.[2] ?? ""]?.find(({ family }) => family === "IPv4")?.cidr;
  return gateway === null || typeof cidr !== "string" ? undefined : { address: cidr, gateway: gateway[1]! };
};

const noPasst = (): string | false => {
  if (spawnSync("sh", ["-c", "command -v passt"]).status !== 0) return "needs passt";
  return hostAddress() === undefined ? "needs a default route, whose addresses passt gives to the guest" : false;
};

/** Runs passt at a socket until disposed. passt gives up root privileges, so the folder is made writable for all. */
const startPasst = async (folder: string): Promise<AsyncDisposable & { readonly path: string }> => {
  chmodSync(folder, 0o777);
  const path = join(folder, "net");
  await using scope = new AsyncDisposableStack();
  const passt = scope.use(
    new HostBackground(["setpriv", "--pdeathsig", "KILL", "passt", "-f", "-s", path, "--mtu", "1500"], process.env),
  );
  await eventually("passt's socket", () => existsSync(path) || (passt.running ? undefined : assert.fail(passt.output)));
  const owned = scope.move();
  return { path, [Symbol.asyncDispose]: () => owned.disposeAsync() };
};

test(
  "a guest fetches what the host serves, and sends it back, through passt",
  { skip: noPasst() || noRig() },
  async () => {
    await using scope = new AsyncDisposableStack();
    const folder = mkdtempSync(join(tmpdir(), "ferrule-"));
    scope.defer(() => rmSync(folder, { recursive: true, force: true }));
    const passt = scope.use(await startPasst(folder));
    const body = randomBytes(4 << 20);
    const md5 = createHash("md5").update(body).digest("hex");
    const http = createServer((_request, response) => response.end(body));
    http.listen(0, "127.0.0.1");
    scope.defer(() => void http.close());
    await once(http, "listening");
    const { port } = http.address() as AddressInfo;
    const socket = join(folder, "nic");
    const nic: Serving = scope.use(
      await openServer({
        chip: "rtl8168h",
        mac: "02:00:5e:10:00:01",
        socket,
        wire: { kind: "stream", path: passt.path, listen: false },
        capture: undefined,
        trace: undefined,
        strict: "warn",
      }),
    );
    const device = JSON.stringify({ driver: "vfio-user-pci", socket: { type: "unix", path: socket } });
    const guest = scope.use(await Guest.boot({ devices: ["-device", device] }));
    const { address, gateway } = hostAddress()!;
    await guest.mustRun(
      `modprobe r8169; ip link set eth0 up; until [ "$(cat /sys/class/net/eth0/carrier)" = 1 ]; do sleep 0.05; done`,
    );
    await guest.mustRun("udhcpc -i eth0 -q -s /bin/true");
    await guest.mustRun(`ip addr add ${address} dev eth0; ip route add default via ${gateway}`);
    const got = await guest.mustRun(`wget -q -O - http://${gateway}:${port}/ | md5sum`);
    assert.equal(got.split(" ")[0], md5);
    const state = (await nic.ask({ command: "show" })) as ServeState;
    assert.equal(state.traffic.drops, 0);
    assert.deepEqual(state.offences, {});
  },
);
