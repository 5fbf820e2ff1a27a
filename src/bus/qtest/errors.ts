/** Errors of QEMU controlled through qtest. */
import { FerruleError } from "#kit/errors.ts";

const HINT = "See what QEMU printed when it ended.";

/** QEMU has ended, or closed the connection. */
export class QemuEnded extends FerruleError {
  readonly code = "QTEST_ENDED";
  readonly hint = HINT;
  constructor(name: string, why: string) {
    super(`${name}: QEMU is gone: ${why}`);
  }
}

/** QEMU rejected a request. */
export class QtestRefused extends FerruleError {
  readonly code = "QTEST_REFUSED";
  readonly hint = "This QEMU, or its machine type, does not support the request: use a q35 machine.";
  constructor(name: string, request: string, why: string) {
    super(`${name} refused \`${request}\`: ${why}`);
  }
}

/** QEMU sent an invalid message. */
export class QtestBroken extends FerruleError {
  readonly code = "QTEST_PROTOCOL";
  readonly hint = "The program at the other end is not QEMU with -qtest, or is an unsupported version of it.";
  constructor(name: string, what: string) {
    super(`${name}: ${what}`);
  }
}

/** The bus has no matching function, or the function has no registers in memory. */
export class NoSuchFunction extends FerruleError {
  readonly code = "QTEST_NO_FUNCTION";
  readonly hint = "Give QEMU the device, for example with `-device rtl8139`.";
  constructor(name: string, found: string) {
    super(`${name} is not on the bus: ${found}`);
  }
}
