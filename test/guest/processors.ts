/** Guest processors, and the names that QEMU, Debian and Linux use for them. */

export const PROCESSORS = ["amd64", "i386", "arm64"] as const;
/** Debian's names of the processors. */
export type ProcessorName = (typeof PROCESSORS)[number];

export const MACHINES = ["q35", "pc", "virt"] as const;
/** QEMU's names of the machines. */
export type MachineName = (typeof MACHINES)[number];

export interface Processor {
  readonly qemu: string;
  /** QEMU's CPU model. Newer models are slower to emulate. */
  readonly cpu: string;
  /** QEMU's machine types for the processor, the default first. */
  readonly machines: readonly MachineName[];
  /** Properties common to these machines. */
  readonly properties: readonly string[];
  /** Parameters for the kernel command line. */
  readonly words: readonly string[];
  /** Folder of libraries. */
  readonly libraries: string;
  /** Path of the dynamic linker. */
  readonly loader: string;
  readonly kernelPackage: string;
  /** Whether QEMU starts the extracted vmlinux faster than the packaged kernel: see vmlinux.ts. */
  readonly unpacked: boolean;
}

const PC = {
  qemu: "qemu-system-x86_64",
  cpu: "Nehalem,+rdrand",
  machines: ["q35", "pc"],
  properties: ["usb=off", "vmport=off"],
  // Saves half a second of probing for absent devices.
  words: ["console=ttyS0", "i8042.noaux", "i8042.nokbd", "8250.nr_uarts=1", "tsc=reliable"],
} as const;

export const PROCESSOR: Readonly<Record<ProcessorName, Processor>> = {
  amd64: {
    ...PC,
    libraries: "usr/lib/x86_64-linux-gnu",
    loader: "lib64/ld-linux-x86-64.so.2",
    kernelPackage: "linux-image-amd64",
    unpacked: true,
  },
  i386: {
    ...PC,
    libraries: "usr/lib/i386-linux-gnu",
    loader: "lib/ld-linux.so.2",
    kernelPackage: "linux-image-686-pae",
    unpacked: false,
  },
  arm64: {
    qemu: "qemu-system-aarch64",
    cpu: "neoverse-n1",
    machines: ["virt"],
    // Message-signalled interrupts need version 3.
    properties: ["gic-version=3"],
    words: ["console=ttyAMA0"],
    libraries: "usr/lib/aarch64-linux-gnu",
    loader: "lib/ld-linux-aarch64.so.1",
    kernelPackage: "linux-image-arm64",
    unpacked: false,
  },
};
