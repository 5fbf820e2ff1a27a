/** The MSI-X table and its pending bits: plain memory, read by the bus that delivers the messages. */
import { MSIX_BYTES } from "./config-layout.ts";
import { type AccessWidth, Page } from "../registers/page.ts";

/** Length in bytes of an entry: address, upper address, data, control. A reset masks each entry. */
const ENTRY_BYTES = 16;

export class MsixTable {
  readonly #page = new Page(new ArrayBuffer(MSIX_BYTES), 0, MSIX_BYTES);
  readonly #vectors: number;

  constructor(vectors: number) {
    this.#vectors = vectors;
    this.powerOn();
  }

  powerOn(): void {
    this.#page.words.fill(0);
    for (let v = 0; v < this.#vectors; v++) this.#page.put(v * ENTRY_BYTES + 12, 4, 1);
  }

  read(offset: number, width: AccessWidth): number {
    return this.#page.get(offset, width);
  }

  write(offset: number, width: AccessWidth, value: number): void {
    if (offset + width <= this.#vectors * ENTRY_BYTES) this.#page.put(offset, width, value);
  }
}
