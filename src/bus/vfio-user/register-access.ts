/** Register reads and writes: the most frequent requests, executed without allocation. */
import { u32, u64 } from "./codec.ts";
import type { Connection } from "./connection.ts";
import type { DeviceRegions } from "./device-regions.ts";
import {
  ACCESS_COUNT,
  ACCESS_DATA,
  ACCESS_OFFSET,
  ACCESS_REGION,
  FLAGS,
  Flag,
  HEADER_BYTES,
  MAX_DATA,
  MULTIPLE_BYTES,
  MULTIPLE_COUNT,
  MULTIPLE_DATA,
  MAX_MULTIPLE_DATA,
  MULTIPLE_REGION,
  MULTIPLE_WRITES,
  Refused,
} from "./protocol.ts";

/** Each method takes a complete message and returns an `Outcome` (see `Replies`). */
export class RegisterAccess {
  readonly #connection: Connection;
  readonly #regions: DeviceRegions;
  /** Set while the reply to a read is being built; during that time the device cannot send a request of its own. */
  reading = false;

  constructor(connection: Connection, regions: DeviceRegions) {
    this.#connection = connection;
    this.#regions = regions;
  }

  read(at: number, size: number): number {
    const { bytes, outgoing } = this.#connection;
    if (size !== ACCESS_DATA) return -Refused.EINVAL;
    const offset = u64(bytes, at + ACCESS_OFFSET);
    const region = u32(bytes, at + ACCESS_REGION);
    const count = u32(bytes, at + ACCESS_COUNT);
    if (count > MAX_DATA) return -Refused.E2BIG;
    if (!this.#regions.holds(region, offset, count)) return -Refused.EINVAL;
    const fixed = this.#connection.echo(at, ACCESS_DATA);
    this.reading = true;
    this.#regions.read(region, offset, count, outgoing, this.#connection.reserve() + ACCESS_DATA);
    this.reading = false;
    return fixed + count;
  }

  write(at: number, size: number): number {
    const { bytes } = this.#connection;
    if (size <= ACCESS_DATA) return -Refused.EINVAL;
    const offset = u64(bytes, at + ACCESS_OFFSET);
    const region = u32(bytes, at + ACCESS_REGION);
    const count = u32(bytes, at + ACCESS_COUNT);
    if (count !== size - ACCESS_DATA || !this.#regions.holds(region, offset, count)) return -Refused.EINVAL;
    this.#regions.write(region, offset, count, bytes, at + ACCESS_DATA);
    return this.#done(at, ACCESS_DATA);
  }

  /** Executes all writes or none: all are checked before the first is executed. */
  writeMultiple(at: number, size: number): number {
    const { bytes } = this.#connection;
    if (size < MULTIPLE_WRITES) return -Refused.EINVAL;
    const writes = u64(bytes, at + HEADER_BYTES);
    if (size !== MULTIPLE_WRITES + writes * MULTIPLE_BYTES) return -Refused.EINVAL;
    const first = at + MULTIPLE_WRITES;
    const end = at + size;
    for (let write = first; write < end; write += MULTIPLE_BYTES) {
      const count = u32(bytes, write + MULTIPLE_COUNT);
      const inside = this.#regions.holds(u32(bytes, write + MULTIPLE_REGION), u64(bytes, write), count);
      if (!inside || count > MAX_MULTIPLE_DATA) return -Refused.EINVAL;
    }
    for (let write = first; write < end; write += MULTIPLE_BYTES) {
      const region = u32(bytes, write + MULTIPLE_REGION);
      const count = u32(bytes, write + MULTIPLE_COUNT);
      this.#regions.write(region, u64(bytes, write), count, bytes, write + MULTIPLE_DATA);
    }
    return this.#done(at, MULTIPLE_WRITES);
  }

  /** Builds the reply, if one is requested: a copy of the request's first `end` bytes, after the header. */
  #done(at: number, end: number): number {
    return (this.#connection.bytes[at + FLAGS]! & Flag.noReply) === 0 ? this.#connection.echo(at, end) : 0;
  }
}
