/** Every flag of `ferrule ethtool`, in the order in which its help lists them. */
import { absent } from "./absent.ts";
import { cable } from "./cable.ts";
import { coalesce } from "./coalesce.ts";
import { driver } from "./driver.ts";
import { eeprom } from "./eeprom.ts";
import type { Flag, Group } from "./flag.ts";
import { eee } from "./eee.ts";
import { features } from "./features.ts";
import { link } from "./link.ts";
import { linkChanges } from "./link-changes.ts";
import { maintenance } from "./maintenance.ts";
import { queues } from "./queues.ts";
import { registers } from "./registers.ts";
import { rings } from "./rings.ts";
import { statistics } from "./statistics.ts";
import { timestamping } from "./timestamping.ts";

const GROUPS: readonly Group[] = [
  link,
  linkChanges,
  driver,
  statistics,
  features,
  rings,
  queues,
  coalesce,
  eee,
  registers,
  eeprom,
  timestamping,
  maintenance,
  cable,
  absent,
];

export const FLAGS: readonly Flag[] = GROUPS.flatMap(({ flags }) => flags);

/** The operations of the driver's thread, by the names under which they are requested. */
export const OPERATIONS: Group["operations"] = Object.assign({}, ...GROUPS.map(({ operations }) => operations));
