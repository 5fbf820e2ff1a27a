/** What QEMU's own device says of each access to its registers: QEMU's trace of memory regions. */

/** Arguments that have QEMU print a line for each access to any device, to its standard error unless told otherwise. */
export const TRACE_ACCESSES: readonly string[] = ["read", "write"].flatMap((kind) => [
  "-trace",
  `enable=memory_region_ops_${kind}`,
]);

/** An access as the device saw it. */
export type Access = readonly [kind: "read" | "write", offset: number, bytes: number, value: number];

const LINE = /^memory_region_ops_(read|write) .* addr 0x([0-9a-f]+) value 0x([0-9a-f]+) size ([124]) name '([^']+)'/;

/** The accesses to the device of that name in what QEMU printed. Its window has `length` bytes, a power of two. */
export const accessesIn = (printed: string, device: string, length: number): readonly Access[] =>
  printed.split("\n").flatMap((line): Access[] => {
    const [, kind, offset, value, bytes, name] = LINE.exec(line) ?? [];
    if (kind === undefined || name !== device) return [];
    // Some versions give the offset in the window, others the address, of which the window is a multiple.
    const at = Number.parseInt(offset!, 16) % length;
    return [[kind === "read" ? "read" : "write", at, Number(bytes), Number.parseInt(value!, 16)]];
  });
