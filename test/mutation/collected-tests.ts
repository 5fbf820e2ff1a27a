/**
 * The module that judge.ts loads in place of node:test. It collects tests instead of running them, so that one thread
 * can run many versions of a test, one for each mutant.
 */

type Act = (context: { readonly diagnostic: (text: string) => void }) => unknown;
interface Options {
  readonly skip?: unknown;
}

let collected: { readonly name: string; readonly act: Act }[] = [];
let group = "";
let groupSkipped = false;

const isSkipped = ({ skip = false }: Options): boolean => skip !== false;

/** Declares a test as in node:test. A skipped test is not collected. */
export const test = (name: string, first: Act | Options, second?: Act): void => {
  const [options, act] = typeof first === "function" ? [{}, first] : [first, second!];
  if (!groupSkipped && !isSkipped(options)) collected.push({ name: group + name, act });
};

/** Declares a group as in node:test. */
export const describe = (name: string, first: (() => void) | Options, second?: () => void): void => {
  const [options, act] = typeof first === "function" ? [{}, first] : [first, second!];
  const outer = [group, groupSkipped] as const;
  group += `${name} `;
  groupSkipped ||= isSkipped(options);
  act();
  [group, groupSkipped] = outer;
};

/**
 * Runs the tests collected since the last call whose names match `pattern`, until one fails; discards the collection.
 * Returns the name of the test that fails; undefined if all pass. @throws {Error} if no name matches
 */
export const firstFailure = async (pattern: RegExp): Promise<string | undefined> => {
  const tests = collected.filter(({ name }) => pattern.test(name));
  collected = [];
  if (tests.length === 0) throw new Error("no test was run");
  for (const { name, act } of tests)
    try {
      await act({ diagnostic: () => {} });
    } catch {
      return name;
    }
  return undefined;
};
