/** Receive offloads: checksum verification and VLAN tag stripping. */
import { CPlus, CPlusCmd, RxConfig } from "#chip/registers.ts";
import { RxConf8125 } from "#chip/registers-8125.ts";
import type { Hardware } from "./hardware.ts";

const STRIP_8125 = RxConf8125.stripInnerTag | RxConf8125.stripOuterTag;

/** All receive offloads are on by default. The settings survive resets, because `restore` writes them again. */
export class ReceiveOffloads {
  readonly #hw: Hardware;
  readonly #running: () => boolean;
  #wanted: { readonly checksum: boolean; readonly stripTag: boolean } | undefined;

  constructor(hw: Hardware, running: () => boolean) {
    this.#hw = hw;
    this.#running = running;
  }

  set(wanted: { readonly checksum: boolean; readonly stripTag: boolean }): void {
    this.#wanted = wanted;
    if (this.#running()) this.restore();
  }

  /**
   * Writes the settings again. Call it after the chip has been started or RxConfig has been written; the receiver may
   * be running.
   */
  restore(): void {
    if (this.#wanted === undefined) return;
    const { checksum, stripTag } = this.#wanted;
    const { io, chip } = this.#hw;
    const { command, receiveConfig } = chip.profile.mac;
    const kept = (checksum ? CPlus.receiveChecksum : 0) | (stripTag ? CPlus.receiveVlan : 0);
    io.update16(CPlusCmd, CPlus.receiveChecksum | CPlus.receiveVlan, command & kept);
    const strips = receiveConfig & STRIP_8125;
    if (strips !== 0) io.update32(RxConfig, strips, stripTag ? strips : 0);
  }
}
