/**
 * Runs the tests of whole rooms in one process, because loading the code for each file takes longer than most tests.
 */
import { globSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const SRC = join(import.meta.dirname, "../../src");
const load = createRequire(import.meta.url);

/**
 * Loads every test of these rooms before the first one runs, because some tests count the files that the process has
 * open.
 */
export const testRooms = (...rooms: readonly string[]): void => {
  const files = globSync(
    rooms.map((room) => `${room}/**/*.test.ts`),
    { cwd: SRC },
  );
  for (const file of files.sort()) load(join(SRC, file));
};
