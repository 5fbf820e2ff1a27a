/** Tests that a page names: links to them, and whether they exist. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

const ROOT = join(import.meta.dirname, "..");

/** A file, and a part of a test's title in it, usually the beginning. If the title is empty, the file as a whole. */
export interface Shown {
  readonly file: string;
  readonly title: string;
}

/** A Markdown link, for a table cell of a page in docs. */
export const linkTo = ({ file, title }: Shown): string =>
  `[${file.split("/").at(-1)}](../${file})${title === "" ? "" : `: “${title.replaceAll("|", "\\|")}”`}`;

/** The tests whose file is missing or does not contain the title. */
export const lost = (named: readonly Shown[]): readonly Shown[] =>
  named.filter(({ file, title }) => {
    const path = join(ROOT, file);
    return !existsSync(path) || !readFileSync(path, "utf8").includes(title);
  });
