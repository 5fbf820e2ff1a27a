/** Interface for captures: receives each frame that passes a wire or an uplink. */

/** `frame` is called for each frame; the frame's memory is valid only during the call. */
export interface FrameObserver {
  frame(bytes: Uint8Array, offset: number, length: number, outgoing: boolean): void;
}
