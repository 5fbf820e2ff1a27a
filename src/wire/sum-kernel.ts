/**
 * The Internet checksum in WebAssembly, which adds sixteen bytes at a time; the source is `sum.wat`. It is used for
 * frames in a `WebAssembly.Memory`; other memory is summed by the loops of `checksum.ts`. `sum-kernel.test.ts`
 * assembles `sum.wat` again and compares the result with `KERNEL`. Reasons: docs/decisions/0009-checksum-kernel.md.
 */
import type { Memory, MemorySums } from "./memory.ts";

// TypeScript declares the WebAssembly types only in its browser library ("dom").
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object, imports: object) => { readonly exports: Record<string, unknown> };
};

/** The part of the type `WebAssembly.Memory` that is used here. The memory must be shared. */
export interface SharedMemory {
  readonly buffer: ArrayBufferLike;
}

/** The module assembled from `sum.wat`, in base64. */
export const KERNEL =
  "AGFzbQEAAAABEwNgAXsBf2ACf38Bf2ADf39/AX8CFgEHZmVycnVsZQZtZW1vcnkCAwGAgAQDBAMAAQIHEQIDc3VtAAEHY29weVN1bQACCuoDAz4B" +
  "AX4gAP0bAK0gAP0bAa18IAD9GwKtIAD9GwOtfHwhASABQv//A4MgAUIQiHwhASABQv//A4MgAUIQiHynC7UBAgF/AnsgACABQWBxaiECAkADQCAA" +
  "IAJPDQEgAyAA/QAEAP1//a4BIQMgBCAA/QAEEP1//a4BIQQgAEEgaiEADAALCyAAIAFBHnFqIQICQANAIAAgAk8NASADIAD9DAAAAAAAAAAAAAAA" +
  "AAAAAAD9VQEAAP2uASEDIABBAmohAAwACwsgAUEBcQRAIAMgAP0MAAAAAAAAAAAAAAAAAAAAAP1UAAAA/a4BIQMLIAMgBP2uARAAC/EBAgF/A3sg" +
  "ACACQWBxaiEDAkADQCAAIANPDQEgASAA/QAEACIG/QsEACAEIAb9f/2uASEEIAEgAP0ABBAiBv0LBBAgBSAG/X/9rgEhBSAAQSBqIQAgAUEgaiEB" +
  "DAALCyAAIAJBHnFqIQMCQANAIAAgA08NASAA/QwAAAAAAAAAAAAAAAAAAAAA/VUBAAAhBiABIAb9WQEAACAEIAb9rgEhBCAAQQJqIQAgAUECaiEB" +
  "DAALCyACQQFxBEAgAP0MAAAAAAAAAAAAAAAAAAAAAP1UAAAAIQYgASAG/VgAAAAgBCAG/a4BIQQLIAQgBf2uARAACw==";

const decode = (base64: string): Uint8Array => Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));

/**
 * Returns the frame memory in shared WebAssembly memory, with fast sums. Compiles the code, so call it once for each
 * thread and memory.
 */
export const memoryWithSums = (shared: SharedMemory): Memory => {
  const module = new WebAssembly.Module(decode(KERNEL));
  const { exports } = new WebAssembly.Instance(module, { ferrule: { memory: shared } });
  const sums: MemorySums = {
    sum: exports["sum"] as MemorySums["sum"],
    copySum: exports["copySum"] as MemorySums["copySum"],
  };
  return { bytes: new Uint8Array(shared.buffer), words: new Int32Array(shared.buffer), sums };
};
