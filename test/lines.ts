/** `npm run lines`: the size of the driver and of its chip data, compared with that of Linux's driver. */
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Size, sizeOf, sumOf } from "#app/compare/line-count.ts";
import { table } from "#app/terminal/format.ts";
import { WrongUsage } from "#app/terminal/usage.ts";
import { argumentsOf } from "./program.ts";

const ROOT = join(import.meta.dirname, "..");
const ROOMS = ["src/driver", "src/chip"] as const;
/** Lines of r8169*.c and r8169*.h in Linux's drivers/net/ethernet/realtek, counted by `wc -l`. */
export const LINUX_LINES = 7864;

/** The size of a room without its tests. */
const sizeOfRoom = (room: string): Size =>
  sumOf(
    globSync(`${room}/**/*.ts`, { cwd: ROOT })
      .filter((path) => !/\.(test|test-kit|types)\.ts$/.test(path))
      .map((path) => sizeOf(readFileSync(join(ROOT, path), "utf8"))),
  );

export const driverSize = (): Size => sumOf(ROOMS.map(sizeOfRoom));

const linuxLines = (folder: string): number => {
  const paths = globSync("drivers/net/ethernet/realtek/r8169*.[ch]", { cwd: folder });
  if (paths.length === 0)
    throw new WrongUsage(`${folder} does not contain the sources of r8169`, "Name the top folder of Linux's source.");
  return paths.reduce((total, path) => total + sizeOf(readFileSync(join(folder, path), "utf8")).lines, 0);
};

if (import.meta.main) {
  const linux = argumentsOf(
    {
      name: "lines",
      summary: "count the lines of the driver, beside those of Linux's",
      about: "Counts src/driver and src/chip, including tables of start-up values but not tests.",
      operands: [],
      options: {
        linux: { kind: "value", placeholder: "FOLDER", summary: "source of Linux, to count its r8169 again" },
      },
      examples: ["npm run lines"],
    },
    (values) => (values.linux === undefined ? LINUX_LINES : linuxLines(values.linux)),
  );
  const rows = [...ROOMS.map((room) => [room, sizeOfRoom(room)] as const), ["together", driverSize()] as const];
  const printed = rows.map(([name, { lines, code }]) => [name, String(lines), String(code)]);
  const heading = ["", "lines", "without comments and blank lines"];
  for (const line of table([heading, ...printed, ["Linux's r8169", String(linux), ""]], "lrr")) console.log(line);
}
