/**
 * `npm run guest -- --chip NAME`: a shell in a guest that has one of our NICs. Ctrl-A X ends QEMU, `exit` does as well.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { parseArgs } from "node:util";
import { qemuArguments, qemuCommand, qemuEnvironment } from "./guest.ts";
import { optionsOf, USAGE } from "./options.ts";
import { FAR, NEAR, openNic } from "./rig.ts";
import { scratchFolder } from "./scratch.ts";

const run = async (): Promise<number> => {
  const { values } = parseArgs({ options: USAGE, allowPositionals: false });
  const options = optionsOf(values);
  await using scope = new AsyncDisposableStack();
  const folder = scratchFolder();
  scope.defer(() => rmSync(folder, { recursive: true, force: true }));
  const { nic, devices } = await openNic(scope, folder, options);
  const append = [...(options.append ?? []), "shell"];
  const qemu = qemuArguments({ ...options, suspends: true, append, devices }, folder);
  console.error(`A guest with a ${options.chip} at eth0. At the other end of the cable: ${FAR.ipv4}, ${FAR.ipv6}.`);
  console.error(
    `In the guest: modprobe r8169; ip addr add ${NEAR.ipv4}/24 dev eth0; ip link set eth0 up; ping ${FAR.ipv4}`,
  );
  console.error(`Out here: npx ferrule model ctl ${nic.socket} show`);
  console.error("Ctrl-A X ends it.");
  const [program, ...args] = qemuCommand(options.kernel);
  const child = spawn(program, [...args, ...qemu, "-serial", "mon:stdio"], {
    stdio: "inherit",
    env: qemuEnvironment(),
  });
  process.on("SIGINT", () => {});
  const [code] = (await once(child, "exit")) as [number | null];
  return code ?? 1;
};

try {
  process.exitCode = await run();
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 1;
}
