/** Errors of a QEMU that is controlled through qtest. */
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

/** QEMU answered a request with no. */
export class QtestRefused extends FerruleError {
  readonly code = "QTEST_REFUSED";
  readonly hint = "This QEMU, or the machine it was started as, does not have what was asked for: use a q35 machine.";
  constructor(name: string, request: string, why: string) {
    super(`${name} refused \`${request}\`: ${why}`);
  }
}

/** What came is nothing that QEMU says. */
export class QtestBroken extends FerruleError {
  readonly code = "QTEST_PROTOCOL";
  readonly hint = "Whoever is at the other end is no QEMU with -qtest, or one of another version.";
  constructor(name: string, what: string) {
    super(`${name}: ${what}`);
  }
}

/** None of the functions on the bus is one that was looked for, or the one that is has no registers in memory. */
export class NoSuchFunction extends FerruleError {
  readonly code = "QTEST_NO_FUNCTION";
  readonly hint = "Give QEMU the device, for example with `-device rtl8139`.";
  constructor(name: string, found: string) {
    super(`${name}: not on the bus: ${found}`);
  }
}
