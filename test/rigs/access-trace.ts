/** Register accesses as seen by QEMU's own device, from QEMU's trace of memory regions. */

/** Arguments that make QEMU print a line for each access to any device, by default on standard error. */
export const TRACE_ACCESSES: readonly string[] = ["read", "write"].flatMap((kind) => [
  "-trace",
  `enable=memory_region_ops_${kind}`,
]);

/** An access, as seen by the device. */
export type Access = readonly [kind: "read" | "write", offset: number, bytes: number, value: number];

const LINE = /^memory_region_ops_(read|write) .* addr 0x([0-9a-f]+) value 0x([0-9a-f]+) size ([124]) name '([^']+)'/;

/** Accesses to the named device in QEMU's output. Its window has `length` bytes, a power of two. */
export const accessesIn = (printed: string, device: string, length: number): readonly Access[] =>
  printed.split("\n").flatMap((line): Access[] => {
    const [, kind, offset, value, bytes, name] = LINE.exec(line) ?? [];
    if (kind === undefined || name !== device) return [];
    // Some versions of QEMU print the offset in the window, others the address. Windows are aligned to their length.
    const at = Number.parseInt(offset!, 16) % length;
    return [[kind === "read" ? "read" : "write", at, Number(bytes), Number.parseInt(value!, 16)]];
  });
