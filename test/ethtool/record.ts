/**
 * Records what the real ethtool prints on Linux's r8169 on our model, all chips in one guest: `node
 * test/ethtool/record.ts [CHIP…]`.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { chipNamed } from "#chip/chips.ts";
import { ManyNics } from "../conformance-guest/many-nics.ts";
import { Guest } from "../guest/guest.ts";
import { bootOf } from "../guest/initrd.ts";
import { type KernelName, versionsOf } from "../guest/parts.ts";
import { CHIPS } from "./chips.ts";
import { COMMANDS } from "./commands.ts";
import { formatRecording, commandOutput, type CommandOutput } from "./recording.ts";
import { MAC, stimulusFor } from "./stimulus.ts";

const KERNEL: KernelName = "newest";
const LIMIT_MILLIS = 600_000;
const FOLDER = fileURLToPath(new URL("linux", import.meta.url));

/** Shell commands that wait until the link is up again, with time to reach its full speed. */
const SETTLED =
  "for i in $(seq 100); do [ $(cat /sys/class/net/fe0/carrier 2>/dev/null) = 1 ] && break; sleep 0.05; done; sleep 0.2";
/** Enough time for Linux to notice a new link: it polls the PHYs of older chips once a second. */
const NEGOTIATED = "sleep 2.5";

/** Whether a command only shows something. After any other, the recording waits for the link. */
const shows = (command: string): boolean => /^(--json )?(fe0|missing0|-[idkSacglePTxnm] |--(show|phy))/.test(command);

const wanted = process.argv.slice(2);
const chips = CHIPS.filter((key) => wanted.length === 0 || wanted.includes(key)).map((key) => chipNamed(key)!);
using nics = new ManyNics(chips, undefined, MAC);
const stimuli = nics.nics.map(({ nic }) => stimulusFor(nic));
// Without IPv6 the guest sends nothing by itself.
await using guest = await Guest.boot({ kernel: KERNEL, devices: nics.devices, append: ["ipv6.disable=1"] });
await guest.mustRun("modprobe r8169", LIMIT_MILLIS);
const about = `Linux ${bootOf(KERNEL).version}, r8169, ethtool ${versionsOf("tools")["ethtool"]}, firmware-realtek ${versionsOf("tools")["firmware-realtek"]}`;
mkdirSync(FOLDER, { recursive: true });
for (const [i, { chip, place }] of nics.nics.entries()) {
  const name = (await guest.run(`ls /sys/bus/pci/devices/${place}/net`)).stdout.trim();
  if (name === "") {
    console.error(`${chip.key}: this kernel's r8169 does not support it`);
    continue;
  }
  await guest.mustRun(`ip link set ${name} name fe0; ip link set fe0 up; ${SETTLED}; sleep 2`, LIMIT_MILLIS);
  stimuli[i]!();
  const all: CommandOutput[] = [];
  for (const command of COMMANDS) {
    all.push(commandOutput(command, await guest.run(`ethtool ${command}`, LIMIT_MILLIS)));
    if (/^-[srA] /.test(command)) await guest.mustRun(NEGOTIATED, LIMIT_MILLIS);
    if (!shows(command)) await guest.mustRun(SETTLED, LIMIT_MILLIS);
  }
  await guest.mustRun(`ip link set fe0 down; ip link set fe0 name ${name}`, LIMIT_MILLIS);
  const header = `${about}, on the model of ${chip.key}: node test/ethtool/record.ts`;
  writeFileSync(`${FOLDER}/${chip.key}.txt`, formatRecording(header, all));
  console.error(`${chip.key}: ${all.length} commands`);
}
for (const complaint of nics.complaints) console.error(complaint);
