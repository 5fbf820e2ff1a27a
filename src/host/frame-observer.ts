/** Interface for captures: receives each frame that passes a wire or an uplink. */

/** Called for each frame; the frame's memory is only valid during the call. */
export interface FrameObserver {
  frame(bytes: Uint8Array, offset: number, length: number, outgoing: boolean): void;
}
