import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { suite, test } from "node:test";
import { exists } from "./files.ts";
import { readBootSetup, wordOff, wordOn } from "./kernel-line.ts";
import { FakeMachine } from "./machine.test-kit.ts";

const WORD = "intel_iommu=on";
const SETTINGS = "etc/default/grub";
const DROP_IN = "etc/default/grub.d/50-cloudimg-settings.cfg";

/**
 * A stand-in for GRUB's generator. Like the real generator, it sources the settings files, which set shell variables.
 */
const generator = (root: string): string => `
set -e
. ${root}/etc/default/grub
for each in ${root}/etc/default/grub.d/*.cfg; do if [ -e "$each" ]; then . "$each"; fi; done
mkdir -p ${root}/boot/grub
echo "linux /vmlinuz root=UUID=1 \${GRUB_CMDLINE_LINUX-} \${GRUB_CMDLINE_LINUX_DEFAULT-}" > ${root}/boot/grub/grub.cfg
`;

class BootMachine extends FakeMachine {
  get root(): string {
    return this.files.root;
  }

  /** Writes a file at a path below the machine's root. */
  put(path: string, text: string): void {
    this.write(join(this.root, path), text);
  }

  program(name: string, script = "exit 0"): void {
    const path = join(this.root, "usr/sbin", name);
    this.write(path, `#!/bin/sh\n${script}\n`);
    chmodSync(path, 0o755);
  }

  /**
   * Runs a command on this machine, with paths below the root and without sudo. @returns whether the machine rebooted
   */
  type(command: string): boolean {
    this.program("sudo", 'exec "$@"');
    this.program("reboot", `touch ${this.root}/rebooted`);
    const here = command.replaceAll(/ \/(etc|boot)\//g, ` ${this.root}/$1/`);
    const PATH = `${this.root}/usr/sbin:/usr/bin:/bin`;
    const { status, stderr } = spawnSync("sh", ["-c", here], { env: { PATH }, encoding: "utf8", timeout: 10_000 });
    const rebooted = exists(join(this.root, "rebooted"));
    assert.equal(status === 0, rebooted, `${here}\n${stderr}`);
    return rebooted;
  }

  read(path: string): string {
    return readFileSync(join(this.root, path), "utf8");
  }
}

/** A machine that GRUB boots, with these settings. */
const grubMachine = (settings: Readonly<Record<string, string>>): BootMachine => {
  const machine = new BootMachine();
  for (const [path, text] of Object.entries(settings)) machine.put(path, text);
  machine.program("update-grub", generator(machine.root));
  spawnSync(join(machine.root, "usr/sbin/update-grub"));
  return machine;
};

/** The kernel parameters at the next boot. */
const line = (machine: BootMachine): readonly string[] => machine.read("boot/grub/grub.cfg").trim().split(/\s+/);

suite("GRUB", () => {
  const ON: Readonly<Record<string, Record<string, string>>> = {
    "double quotes": { [SETTINGS]: 'GRUB_CMDLINE_LINUX="quiet"\n' },
    "single quotes": { [SETTINGS]: "GRUB_CMDLINE_LINUX='quiet'\n" },
    "no quotes, and no end of line": { [SETTINGS]: "GRUB_CMDLINE_LINUX=quiet" },
    "GRUB_CMDLINE_LINUX_DEFAULT only": { [SETTINGS]: "GRUB_DEFAULT=0\nGRUB_CMDLINE_LINUX_DEFAULT='quiet'\n" },
    nothing: { [SETTINGS]: "" },
    "a drop-in that replaces the words": {
      [SETTINGS]: 'GRUB_CMDLINE_LINUX="a"\n',
      [DROP_IN]: "GRUB_CMDLINE_LINUX='quiet'\n",
    },
  };
  for (const [name, settings] of Object.entries(ON))
    test(`a word is added to settings with ${name}`, () => {
      using machine = grubMachine(settings);
      const before = line(machine);
      assert.ok(machine.type(wordOn(readBootSetup(machine.files), WORD)));
      assert.deepEqual(
        line(machine).filter((word) => word !== WORD),
        before,
      );
      assert.ok(line(machine).includes(WORD));
    });

  const OFF: Readonly<Record<string, Record<string, string>>> = {
    "double quotes": { [SETTINGS]: 'GRUB_CMDLINE_LINUX="quiet iommu=off splash"\n' },
    "single quotes": { [SETTINGS]: "GRUB_CMDLINE_LINUX='iommu=off'\n" },
    "no quotes": { [SETTINGS]: "GRUB_CMDLINE_LINUX=iommu=off\n" },
    GRUB_CMDLINE_LINUX_DEFAULT: { [SETTINGS]: 'GRUB_CMDLINE_LINUX_DEFAULT="intel_iommu=on iommu=off"\n' },
    "a drop-in": { [SETTINGS]: 'GRUB_CMDLINE_LINUX="a"\n', [DROP_IN]: "GRUB_CMDLINE_LINUX='quiet iommu=off'\n" },
  };
  for (const [name, settings] of Object.entries(OFF))
    test(`only the given word is removed from ${name}`, () => {
      using machine = grubMachine(settings);
      const others = line(machine).filter((word) => word !== "iommu=off");
      assert.ok(machine.type(wordOff(readBootSetup(machine.files), "iommu=off")));
      assert.deepEqual(line(machine), others);
    });

  test("the machine is not rebooted if no setting contains the word, or the command line does not change", () => {
    using elsewhere = grubMachine({ [SETTINGS]: 'GRUB_CMDLINE_LINUX="intel_iommu=off"\n' });
    assert.ok(!elsewhere.type(wordOff(readBootSetup(elsewhere.files), "iommu=off")));
    using fixed = grubMachine({ [SETTINGS]: "" });
    fixed.program("update-grub");
    assert.ok(!fixed.type(wordOn(readBootSetup(fixed.files), WORD)));
  });

  test("grub2-mkconfig is called with the path of GRUB's configuration", () => {
    using machine = new BootMachine();
    machine.put(SETTINGS, "");
    machine.put("boot/grub2/grub.cfg", "");
    machine.program("grub2-mkconfig");
    assert.match(wordOn(readBootSetup(machine.files), WORD), / && sudo grub2-mkconfig -o \/boot\/grub2\/grub\.cfg && /);
  });
});

const systemdBoot = (machine: BootMachine): void => {
  const info = Buffer.concat([Buffer.of(6, 0, 0, 0), Buffer.from("systemd-boot 257\0", "utf16le")]);
  machine.write(join(machine.files.sys, "firmware/efi/efivars/LoaderInfo-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"), info);
};

suite("boot loaders other than GRUB", () => {
  test("grubby is called, and its result is checked", () => {
    using machine = new BootMachine();
    const kept = `${machine.root}/args`;
    machine.program(
      "grubby",
      `case "$2" in --args=*) echo "args=\\"ro \${2#--args=}\\"" > ${kept};; *) cat ${kept};; esac`,
    );
    assert.ok(machine.type(wordOn(readBootSetup(machine.files), WORD)));
    using broken = new BootMachine();
    broken.program("grubby");
    assert.ok(!broken.type(wordOn(readBootSetup(broken.files), WORD)));
  });

  test("rpm-ostree and kernelstub are called", () => {
    using ostree = new BootMachine();
    ostree.program("rpm-ostree");
    ostree.put("run/ostree-booted", "");
    assert.match(
      wordOn(readBootSetup(ostree.files), WORD),
      /^sudo rpm-ostree kargs --append-if-missing=intel_iommu=on && /,
    );
    using pop = new BootMachine();
    systemdBoot(pop);
    pop.program("kernelstub");
    assert.match(wordOff(readBootSetup(pop.files), "iommu=off"), /^sudo kernelstub --delete-options iommu=off && /);
  });

  test("with systemd-boot as the loader, /etc/kernel/cmdline is changed, not the settings of an unused GRUB", () => {
    using machine = grubMachine({ [SETTINGS]: "" });
    systemdBoot(machine);
    assert.match(wordOn(readBootSetup(machine.files), WORD), /^add intel_iommu=on to the kernel's command line/);
    machine.program("proxmox-boot-tool");
    machine.put("etc/kernel/cmdline", "root=ZFS=rpool quiet");
    assert.ok(machine.type(wordOn(readBootSetup(machine.files), WORD)));
    assert.equal(machine.read("etc/kernel/cmdline"), "root=ZFS=rpool quiet intel_iommu=on");
    machine.put("etc/kernel/cmdline", "intel_iommu=on,sm_on iommu=off\n");
    assert.ok(machine.type(wordOff(readBootSetup(machine.files), "iommu=off")));
    assert.equal(machine.read("etc/kernel/cmdline").trim(), "intel_iommu=on,sm_on");
  });

  test("with an unknown loader, or a word that is not safe in a shell, there are instructions instead of a command", () => {
    using machine = new BootMachine();
    assert.equal(readBootSetup(machine.files), undefined);
    for (const text of [wordOn(undefined, WORD), wordOff(undefined, WORD)]) assert.match(text, /kernel's command line/);
    using grub = grubMachine({ [SETTINGS]: "" });
    assert.match(wordOff(readBootSetup(grub.files), "iommu=$(reboot),off"), /^remove iommu=/);
  });
});
