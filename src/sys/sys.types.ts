/** Wrong uses of this room, which must not compile. */
import { libc } from "./libc.ts";
import type { EventFd } from "./eventfd.ts";
import type { Fd } from "./fd.ts";
import type { NetworkNamespace } from "./namespace.ts";
import { Tap } from "./tap.ts";

declare const event: EventFd;
declare const fd: Fd;
declare const namespace: NetworkNamespace;

export const misuse = (): void => {
  // @ts-expect-error a descriptor is a number, not a BigInt
  libc.close(0n);
  // @ts-expect-error addresses are BigInt
  libc.read(0, 0, 0);
  // @ts-expect-error a descriptor's number cannot be changed
  fd.number = 3;
  // @ts-expect-error an event's number cannot be changed either
  event.number = 3;
  // @ts-expect-error asynchronous code would continue after the thread has left the namespace
  void namespace.within(async () => 1);
  const answer: number = namespace.within(() => 1);
  // @ts-expect-error the header has 10 or 12 bytes
  Tap.open("fe0", { vnetHeader: true, vnetHeaderBytes: 11 });
  // @ts-expect-error a TAP is opened, not constructed
  void new Tap();
  void answer;
};
