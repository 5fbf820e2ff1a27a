/** This program's package.json, which is next to `src` in a checkout and next to `dist` in a package. */
import { readFileSync } from "node:fs";

interface Manifest {
  readonly version: string;
  readonly bugs: { readonly url: string };
}

const manifest = (): Manifest =>
  JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as Manifest;

export const version = (): string => manifest().version;

/** The issue tracker. */
export const bugTracker = (): string => manifest().bugs.url;
