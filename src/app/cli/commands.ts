/** Every command there is, in the order in which `ferrule --help` lists them. */
import type { Command } from "./command.ts";
import { demo } from "./demo.ts";
import { doctor } from "./doctor.ts";
import { down } from "./down.ts";
import { modelChips } from "./model-chips.ts";
import { modelCtl } from "./model-ctl.ts";
import { modelServe } from "./model-serve.ts";
import { up } from "./up.ts";

export const COMMANDS: readonly Command[] = [demo, up, down, modelServe, modelCtl, modelChips, doctor];
