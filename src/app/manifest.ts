/** What package.json says of this program, beside `src` in a checkout and beside `dist` in a package. */
import { readFileSync } from "node:fs";

interface Manifest {
  readonly version: string;
  readonly bugs: { readonly url: string };
}

const manifest = (): Manifest =>
  JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as Manifest;

export const version = (): string => manifest().version;

/** Where mistakes are reported. */
export const bugTracker = (): string => manifest().bugs.url;
