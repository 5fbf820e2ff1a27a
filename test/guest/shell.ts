/** `npm run guest -- --chip NAME`: an interactive shell in a guest with one of our NICs. Ctrl-A X or `exit` ends QEMU. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { WrongUsage } from "#app/terminal/usage.ts";
import { argumentsOf, giveUp } from "../program.ts";
import { qemuArguments, qemuCommand, qemuEnvironment } from "./guest.ts";
import { GUEST_OPTIONS, optionsOf } from "./options.ts";
import { FAR, NEAR, openNic } from "./rig.ts";
import { scratchFolder } from "./scratch.ts";

/** Rejects a standard input that is no terminal, because the shell would wait for ever. */
const checkTerminal = (): void => {
  if (!process.stdin.isTTY)
    throw new WrongUsage(
      "the shell in the guest needs a terminal, and stdin is not one",
      "Run it in a terminal; in a script, give the guest its commands as test/guest/boot.test.ts does.",
    );
};

const options = argumentsOf(
  {
    name: "guest",
    summary: "a shell in a guest with one of the model's NICs",
    about: [
      "Boots Debian's kernel under QEMU, with a NIC that `ferrule model serve` offers as its eth0. The kernel and QEMU are fetched",
      "once, about 400 MB, and nothing is installed. Needs a terminal; `exit` or Ctrl-A X ends the guest.",
    ].join("\n"),
    operands: [],
    options: GUEST_OPTIONS,
    examples: ["npm run guest -- --chip rtl8125b", "npm run guest -- --chip rtl8168h --kernel newest --smp 2"],
  },
  (values) => {
    const wanted = optionsOf(values);
    checkTerminal();
    return wanted;
  },
);

const run = async (): Promise<number> => {
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
  console.error(`On the host: npx ferrule model ctl ${nic.socket} show`);
  console.error("Ctrl-A X ends the guest.");
  const [program, ...args] = qemuCommand(options.kernel);
  const child = spawn(program, [...args, ...qemu, "-serial", "mon:stdio"], {
    stdio: "inherit",
    env: qemuEnvironment(),
  });
  // Ctrl-C goes to the guest. Ending this program ends the guest and the NIC too.
  process.on("SIGINT", () => {});
  for (const signal of ["SIGTERM", "SIGHUP"] as const) process.on(signal, () => child.kill("SIGTERM"));
  const [code] = (await once(child, "exit")) as [number | null];
  return code ?? 1;
};

try {
  process.exitCode = await run();
} catch (error) {
  giveUp(error);
}
