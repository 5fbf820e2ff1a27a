/** The counters of a `ferrule up --metrics` in a guest. */
import type { Guest } from "../guest/guest.ts";

export const METRICS = "127.0.0.1:9100";

/**
 * Reads all counters. Returns a function that returns a counter's value by its name without "_total"; for a queue's
 * counter, also by the queue's number.
 */
export const scrape = async (guest: Guest): Promise<(name: string, queue?: number) => number> => {
  const text = await guest.mustRun(`wget -q -O - http://${METRICS}/metrics`);
  const values = new Map<string, number>();
  for (const [, name, labels, value] of text.matchAll(/^(\w+?)(?:_total)?\{([^}]*)\} (\S+)$/gm))
    values.set(`${name} ${/queue="(\d+)"/.exec(labels!)?.[1] ?? ""}`, Number(value));
  return (name, queue) => {
    const value = values.get(`${name} ${queue ?? ""}`);
    if (value === undefined) throw new Error(`no metric ${name} of queue ${queue}:\n${text}`);
    return value;
  };
};
