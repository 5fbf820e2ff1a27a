/** What a server said no to, or said that makes no sense. */
import { FerruleError } from "#kit/errors.ts";
import { SystemError } from "#sys/errno.ts";
import { commandName } from "./protocol.ts";

/** A request was answered with an error number. */
export class RequestRefused extends FerruleError {
  readonly code = "VFIO_USER_REFUSED";
  readonly hint = "The device does not offer this: see what its server says of itself.";
  readonly errno: number;
  constructor(name: string, command: number, errno: number) {
    super(`${name} refused: ${new SystemError({ errno, syscall: commandName(command) }).message}`);
    this.errno = errno;
  }
}

/** The other end does not speak the protocol as it should. */
export class ProtocolBroken extends FerruleError {
  readonly code = "VFIO_USER_PROTOCOL";
  readonly hint = "Whoever listens there is no vfio-user server, or one that is broken or of another version.";
  constructor(name: string, what: string) {
    super(`${name}: ${what}`);
  }
}
