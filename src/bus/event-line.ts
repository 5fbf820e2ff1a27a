/** An interrupt line whose events arrive through a file descriptor (an eventfd). */
import type { InterruptLine } from "#kit/interrupts.ts";

export interface EventLineParts {
  /** See `InterruptLine.level`. Default: false. */
  readonly level?: boolean;
  readonly event: { readonly number: number; drain(): boolean };
  /**
   * Called when the driver unmasks the line. Needed if the sender of the events masks the interrupt whenever it signals
   * one.
   */
  readonly unmasked?: () => void;
  readonly dispose: () => void;
}

/** An event that arrives while the line is masked stays in the descriptor, so it is not lost. */
export const eventLine = ({ event, level = false, unmasked, dispose }: EventLineParts): InterruptLine => {
  let masked = true;
  return {
    fd: event.number,
    level,
    take: () => !masked && event.drain(),
    mask: () => {
      masked = true;
    },
    unmask: () => {
      masked = false;
      unmasked?.();
    },
    [Symbol.dispose]: dispose,
  };
};
