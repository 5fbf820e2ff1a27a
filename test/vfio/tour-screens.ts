/** The terminal sessions of docs/hardware.md: the guests, and the commands typed in each. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Packed } from "../guest/cpio.ts";
import { partOf } from "../guest/parts.ts";
import { bootInstructions, program, typedPrograms } from "./instructions.ts";
import { card, type MachineOptions, USER } from "./machine.ts";
import { bridged, FIRST, SECOND } from "./bridges.ts";
import { advised, type Line, MAKE_SUDO, meanwhile, type SessionOptions, SUDO, typed } from "./shell-session.ts";
import { SYSTEMD_WORDS, systemdArchive } from "./systemd-image.ts";

export interface Screen extends SessionOptions {
  readonly name: string;
  readonly lines: readonly Line[];
}

/** One guest and its sessions. */
export interface Stop {
  readonly machine: MachineOptions;
  readonly screens: readonly Screen[];
}

const CARD = "0000:00:05.0";
const FILES = `/sys/bus/pci/devices/${CARD}`;
const ALONE = card("card", "bus=pcie.0,addr=5");
/** Commands that prepare the guest as a distribution does before any log-in. vfio-pci is not loaded. */
const PREPARED = `cp /etc/passwd.rig /etc/passwd; modprobe -a tun 8139cp af_packet; chmod 0666 /dev/net/tun; echo 0 2147483647 >/proc/sys/net/ipv4/ping_group_range; ${MAKE_SUDO}`;
const tool = (path: string): Packed => ({ path, bytes: readFileSync(join(partOf("tools"), path)), executable: true });
/** Files that the sessions need in addition to those of every guest. */
const PROGRAMS = (): readonly Packed[] => [
  program("sudo", SUDO),
  tool("usr/bin/prlimit"),
  tool("usr/lib/x86_64-linux-gnu/libsmartcols.so.1"),
];

const until = (condition: string): Line => meanwhile(`until ${condition}; do sleep 0.1; done`);
const hasCarrier = until(`sudo ip link set fe0 up 2>/dev/null && ip link show fe0 | grep -q LOWER_UP`);
/** A pause, so that late output is still shown with the previous command. */
const settled = meanwhile("sleep 2");
const bound = meanwhile(
  `[ "$(basename $(readlink ${FILES}/driver))" = vfio-pci ] || sudo ferrule bind ${CARD} >/dev/null`,
);
const givenBack = meanwhile(`sudo ferrule unbind ${CARD} >/dev/null`);
const lease = (name: string): Line =>
  meanwhile(`sudo udhcpc -i ${name} -q >/dev/null 2>&1; until ip route | grep -q default; do sleep 0.1; done`);

const stepByStep = (): Stop => ({
  machine: { devices: ALONE, files: PROGRAMS(), prepared: PREPARED },
  screens: [
    {
      name: "list",
      lines: [
        until(`[ -e ${FILES}/net ]`),
        meanwhile("sudo ip link set eth0 up; sleep 1"),
        typed("sudo ferrule list", /RTL8139C\+ +8139cp +\d+ +eth0 +100 Mbit/),
      ],
    },
    {
      name: "bind",
      lines: [
        typed(`sudo ferrule bind ${CARD}`, /is now bound to vfio-pci instead of 8139cp/),
        typed(`cat ${FILES}/driver_override`, /^vfio-pci$/m),
        typed("sudo ferrule list", /ready +sudo ferrule up/),
      ],
    },
    {
      name: "up",
      lines: [
        typed(`sudo ferrule up ${CARD} --name fe0 &`, /carrier up/),
        hasCarrier,
        settled,
        typed("sudo udhcpc -i fe0 -q", /lease of/),
        typed("ping -c 3 10.0.2.2", / 0% packet loss/),
        typed("sudo ethtool fe0 | grep Link", /yes/),
        typed("grep vfio /proc/interrupts", /vfio/),
      ],
    },
    {
      name: "in-use",
      lines: [typed(`sudo ferrule up ${CARD} --name fe1`, /in use/), typed(`sudo ferrule unbind ${CARD}`, /in use/)],
    },
    {
      name: "down",
      lines: [
        typed("sudo ferrule down fe0", /fe0 is down/),
        settled,
        typed(`sudo ferrule unbind ${CARD}`, /is bound to 8139cp again/),
        typed("ip -brief link", /eth0/),
      ],
    },
    {
      name: "module",
      lines: [
        meanwhile("sudo rmmod vfio_pci"),
        typed(`sudo ferrule list | grep -A1 lacks`, /vfio-pci is not loaded/),
        advised("sudo modprobe vfio-pci"),
        typed(`sudo ferrule list | grep -A1 lacks`, /^ *lacks +driver/),
      ],
    },
    {
      name: "default-route",
      lines: [
        lease("eth0"),
        typed("ip route", /default via/),
        typed(`sudo ferrule bind ${CARD}`, /carries the default route/),
        typed(`basename $(readlink ${FILES}/driver)`, /^8139cp$/m),
        typed(`sudo ferrule bind ${CARD} --force`, /is now bound to vfio-pci/),
        givenBack,
      ],
    },
    {
      name: "ssh",
      environment: "'SSH_CONNECTION=10.0.2.2 50022 10.0.2.15 22'",
      lines: [
        lease("eth0"),
        meanwhile("sudo ip route del default"),
        typed("echo $SSH_CONNECTION", /10\.0\.2\.15 22/),
        typed(`sudo ferrule bind ${CARD}`, /carries this SSH session/),
        meanwhile("sudo ip addr flush dev eth0"),
      ],
    },
    {
      name: "crash",
      lines: [
        typed(
          `sudo sh -c 'ferrule bind ${CARD} & while [ -e ${FILES}/driver ]; do :; done; kill -9 $!'`,
          /^(?![^]*bound to)/,
        ),
        typed("sudo ferrule list", /not bound to a driver[^]*ferrule bind/),
        advised(`sudo ferrule bind ${CARD}`, /is now bound to vfio-pci/),
        typed(
          `sudo sh -c 'ferrule unbind ${CARD} & while [ -e ${FILES}/driver ]; do :; done; kill -9 $!'`,
          /^(?![^]*bound to)/,
        ),
        typed(`sudo ferrule unbind ${CARD}`, /is bound to 8139cp again/),
      ],
    },
    {
      name: "ordinary-user",
      lockable: 64,
      lines: [
        bound,
        typed("ferrule doctor", /limited +card.*may not open \/dev\/vfio/),
        advised(`sudo chown $USER /dev/vfio/2`),
        advised("sudo prlimit --pid $$ --memlock=67108864"),
        advised("sudo ip tuntap add dev fe0 mode tap user $USER vnet_hdr"),
        typed("ferrule doctor", /ok +card.*ready/),
        typed(`ferrule up ${CARD} --name fe0 &`, /carrier up/),
        hasCarrier,
        settled,
        typed(`ps -o user,args | grep '[f]errule.mjs up'`, new RegExp(USER.name)),
        typed("sudo udhcpc -i fe0 -q", /lease of/),
        typed("ferrule down fe0", /fe0 is down/),
        meanwhile("sudo ip tuntap del dev fe0 mode tap"),
        settled,
      ],
    },
    {
      name: "numa",
      lines: [
        meanwhile(`sudo sh -c 'echo 0 >${FILES}/numa_node'`),
        typed("sudo ferrule list | grep NUMA", /NUMA node 0/),
      ],
    },
  ],
});

/** A processor without the hypervisor flag, so that the output is that of a machine whose firmware reports no IOMMU. */
const BARE = ["-cpu", "max,vendor=GenuineIntel,-hypervisor"];

const firmware = (): Stop => ({
  machine: { devices: [...BARE, ...ALONE], iommu: false, append: [], files: PROGRAMS(), prepared: PREPARED },
  screens: [
    {
      name: "firmware",
      lines: [
        typed("sudo ferrule list", /off in the firmware/),
        typed(`sudo ferrule bind ${CARD}`, /off in the firmware/),
      ],
    },
  ],
});

const GRUB = 'GRUB_DEFAULT=0\nGRUB_CMDLINE_LINUX_DEFAULT="quiet"\nGRUB_CMDLINE_LINUX="intel_iommu=off"\n';

const kernelLine = (): Stop => ({
  machine: {
    devices: ["-cpu", "max,vendor=GenuineIntel", ...ALONE],
    append: ["intel_iommu=off"],
    files: [
      ...PROGRAMS(),
      { path: "etc/default/grub", bytes: Buffer.from(GRUB) },
      program("update-grub", "#!/bin/sh\n"),
      program("reboot", "#!/bin/sh\n"),
    ],
    prepared: PREPARED,
  },
  screens: [
    {
      name: "kernel-line",
      lines: [
        typed("cat /proc/cmdline", /intel_iommu=off/),
        typed("sudo ferrule list", /switched off on the kernel line/),
        advised("sudo sed -i 's/ *\\<intel_iommu=off\\>//' /etc/default/grub && sudo update-grub && sudo reboot"),
        typed("cat /etc/default/grub", /CMDLINE_LINUX=""/),
      ],
    },
  ],
});

/** The previous machine, rebooted with its new kernel parameters. */
const kernelLineMended = (): Stop => ({
  machine: {
    devices: ["-cpu", "max,vendor=GenuineIntel", ...ALONE],
    append: [],
    files: PROGRAMS(),
    prepared: PREPARED,
  },
  screens: [
    {
      name: "kernel-line-mended",
      lines: [
        typed("cat /proc/cmdline", /^(?![^]*iommu)/),
        typed("sudo ferrule list | grep -A1 lacks", /^(?![^]*IOMMU)[^]*bound to 8139cp/),
      ],
    },
  ],
});

const group = (): Stop => ({
  machine: { devices: bridged(), files: PROGRAMS(), prepared: PREPARED },
  screens: [
    {
      name: "group",
      lines: [
        typed("sudo ferrule list", /not viable because of/),
        typed(`sudo ferrule bind ${FIRST}`, new RegExp(SECOND)),
        typed(`sudo ferrule up ${FIRST}`, new RegExp(SECOND)),
        advised(`sudo ferrule bind ${SECOND}`, /is now bound to vfio-pci/),
        typed(`sudo ferrule up ${FIRST} &`, /carrier up/),
        hasCarrier,
        settled,
      ],
    },
  ],
});

const boot = (): Stop => ({
  machine: {
    devices: ALONE,
    append: ["intel_iommu=on", ...SYSTEMD_WORDS],
    archives: (folder) => [systemdArchive(folder, "", [...typedPrograms(CARD), ...PROGRAMS()])],
    prepared: `grep ^user /etc/passwd.rig >>/etc/passwd; modprobe af_packet; ${MAKE_SUDO}`,
  },
  screens: [
    {
      name: "boot",
      lines: [
        ...bootInstructions().map((line) => typed(line)),
        hasCarrier,
        typed("sudo systemctl status --no-pager ferrule@fe0", /active \(running\)/),
        typed("ls -l /dev/vfio", /root +ferrule/),
        typed("sudo udhcpc -i fe0 -q", /lease of/),
        typed("sudo systemctl stop ferrule@fe0"),
        typed(`basename $(readlink ${FILES}/driver)`, /^8139cp$/m),
      ],
    },
  ],
});

/** The guests by name, in the order of the page. */
export const STOPS: Readonly<Record<string, () => Stop>> = {
  "step-by-step": stepByStep,
  firmware,
  "kernel-line": kernelLine,
  "kernel-line-mended": kernelLineMended,
  group,
  boot,
};
