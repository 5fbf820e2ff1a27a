/** Who wants to see the frames that pass. */

/** Called for each frame; what it is shown changes as soon as it returns. */
export interface WireTap {
  frame(bytes: Uint8Array, offset: number, length: number, outgoing: boolean): void;
}
