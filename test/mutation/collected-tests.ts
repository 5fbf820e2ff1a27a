/** In place of node:test for a judge: collects tests instead of running them, so that a thread can run many versions. */

type Act = (context: { readonly diagnostic: (text: string) => void }) => unknown;
interface Options {
  readonly skip?: unknown;
}

let collected: { readonly name: string; readonly act: Act }[] = [];
let group = "";
let groupSkipped = false;

const isSkipped = ({ skip = false }: Options): boolean => skip !== false;

/** As in node:test; a skipped test is left out. */
export const test = (name: string, first: Act | Options, second?: Act): void => {
  const [options, act] = typeof first === "function" ? [{}, first] : [first, second!];
  if (!groupSkipped && !isSkipped(options)) collected.push({ name: group + name, act });
};

/** As in node:test. */
export const describe = (name: string, first: (() => void) | Options, second?: () => void): void => {
  const [options, act] = typeof first === "function" ? [{}, first] : [first, second!];
  const outer = [group, groupSkipped] as const;
  group += `${name} `;
  groupSkipped ||= isSkipped(options);
  act();
  [group, groupSkipped] = outer;
};

/**
 * Runs, and forgets, the tests collected since the last call whose names match `pattern`, until one fails.
 * @returns the name of the test that failed; undefined where all passed
 * @throws {Error} if there is none
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
