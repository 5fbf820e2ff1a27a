/**
 * Runs the terminal sessions of docs/hardware.md in guests and writes their output to the page: `npm run screens --
 * [GUEST …]`. Between `<!-- screens: NAME -->` and `<!-- end -->` the page is written only by this program.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { among } from "../guest/options.ts";
import { argumentsOf } from "../program.ts";
import { noVfio } from "./available.ts";
import { Machine } from "./machine.ts";
import { session } from "./shell-session.ts";
import { noSystemd } from "./systemd-image.ts";
import { STOPS, type Stop } from "./tour-screens.ts";

const PAGE = join(import.meta.dirname, "../../docs/hardware.md");

/** The page with another output of the screen `name`. @throws {Error} if the page has no place for it */
const replace = (page: string, name: string, shown: string): string => {
  const begin = `<!-- screens: ${name} -->\n`;
  const from = page.indexOf(begin);
  const to = page.indexOf("<!-- end -->", from);
  if (from < 0 || to < 0) throw new Error(`docs/hardware.md has no place for the screen "${name}"`);
  return `${page.slice(0, from + begin.length)}\n\`\`\`console\n${shown}\n\`\`\`\n\n${page.slice(to)}`;
};

/** Runs the sessions of one guest, and writes each to the page unless its output is unexpected. */
const visit = async (name: string, stop: Stop): Promise<void> => {
  await using machine = await Machine.boot(stop.machine);
  for (const screen of stop.screens) {
    console.error(`${name}: ${screen.name}`);
    try {
      const shown = await session(machine, screen.lines, screen);
      writeFileSync(PAGE, replace(readFileSync(PAGE, "utf8"), screen.name, shown));
    } catch (error) {
      console.error((error as Error).message);
      process.exitCode = 1;
    }
  }
};

const wanted = argumentsOf(
  {
    name: "screens",
    summary: "run the terminal sessions of docs/hardware.md in guests, and write their output to the page",
    about: `GUEST is one or more of ${Object.keys(STOPS).join(", ")}; default: all.`,
    operands: [
      { placeholder: "[GUEST…]", summary: "guest whose sessions are recorded again", many: true, optional: true },
    ],
    options: {},
    examples: ["npm run screens", "npm run screens -- boot"],
  },
  (_, guests) => {
    const names = Object.keys(STOPS);
    return guests.length === 0 ? names : guests.map((name) => among("guest", name, names));
  },
);
const why = noVfio() || noSystemd();
if (why !== false) {
  console.error(why);
  process.exitCode = 1;
} else for (const name of wanted) await visit(name, STOPS[name]!());
