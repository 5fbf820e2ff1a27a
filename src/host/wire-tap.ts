/** Receives a copy of each frame that passes a wire or an uplink, for captures. */

/** Called for each frame; what it is shown changes as soon as it returns. */
export interface WireTap {
  frame(bytes: Uint8Array, offset: number, length: number, outgoing: boolean): void;
}
