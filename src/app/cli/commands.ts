/** Every command there is, in the order in which `ferrule --help` lists them. */
import type { Command } from "./command.ts";
import { bind } from "./bind.ts";
import { demo } from "./demo.ts";
import { doctor } from "./doctor.ts";
import { down } from "./down.ts";
import { list } from "./list.ts";
import { modelChips } from "./model-chips.ts";
import { modelCtl } from "./model-ctl.ts";
import { modelServe } from "./model-serve.ts";
import { unbind } from "./unbind.ts";
import { up } from "./up.ts";

export const COMMANDS: readonly Command[] = [
  demo,
  list,
  bind,
  up,
  down,
  unbind,
  modelServe,
  modelCtl,
  modelChips,
  doctor,
];
