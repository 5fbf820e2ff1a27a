/**
 * Parsers for JSON of unknown origin. Each parser checks a value and returns it with its type. The parser of an object
 * or a list is built from the parsers of its fields or items. An error names the first wrong field.
 */

/** A field is missing, or its value is not valid. */
export class WrongField extends Error {
  /** Path of the field, such as `throughput[3].ns.q1`; empty for the whole document. */
  readonly field: string;
  constructor(field: string, value: unknown, wanted: string) {
    const found = value === undefined ? "missing" : (JSON.stringify(value) ?? typeof value).slice(0, 40);
    super(`${field === "" ? "the document" : field} is ${found}, not ${wanted}`);
    this.field = field;
  }
}

/** A parser. @throws {WrongField} */
export type Parse<T> = (value: unknown, field: string) => T;

type Fields<T> = {
  readonly [K in keyof T]-?: Parse<Pick<T, K> extends Required<Pick<T, K>> ? T[K] : T[K] | undefined>;
};

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Creates the parser of an object with these fields. The parser drops other fields. */
export const record =
  <T extends object>(fields: Fields<T>): Parse<T> =>
  (value, field) => {
    if (!isRecord(value)) throw new WrongField(field, value, "an object");
    const read = Object.entries<Parse<unknown>>(fields).map(([name, parse]) => {
      const own = Object.hasOwn(value, name) ? value[name] : undefined;
      return [name, parse(own, field === "" ? name : `${field}.${name}`)] as const;
    });
    return Object.fromEntries(read.filter(([, each]) => each !== undefined)) as T;
  };

export const listOf =
  <T>(each: Parse<T>): Parse<readonly T[]> =>
  (value, field) => {
    if (!Array.isArray(value)) throw new WrongField(field, value, "a list");
    return value.map((item, i) => each(item, `${field}[${i}]`));
  };

export const optional =
  <T>(parse: Parse<T>): Parse<T | undefined> =>
  (value, field) =>
    value === undefined ? undefined : parse(value, field);

/** Creates the parser of a number of at least `min`. JSON numbers are always finite. */
export const number =
  (min: number): Parse<number> =>
  (value, field) => {
    if (typeof value !== "number" || !(value >= min)) throw new WrongField(field, value, `a number from ${min}`);
    return value;
  };

export const whole =
  (min: number): Parse<number> =>
  (value, field) => {
    if (!Number.isSafeInteger(value) || (value as number) < min)
      throw new WrongField(field, value, `a whole number from ${min}`);
    return value as number;
  };

export const text: Parse<string> = (value, field) => {
  if (typeof value !== "string" || value === "") throw new WrongField(field, value, "a text");
  return value;
};

export const flag: Parse<boolean> = (value, field) => {
  if (typeof value !== "boolean") throw new WrongField(field, value, "true or false");
  return value;
};

export const among =
  <const T extends string | number>(...values: readonly T[]): Parse<T> =>
  (value, field) => {
    if (!values.includes(value as T)) throw new WrongField(field, value, values.join(" or "));
    return value as T;
  };

/** Creates a parser that accepts the text `word`, and every value that `parse` accepts. */
export const wordOr =
  <const W extends string, T>(word: W, parse: Parse<T>): Parse<T | W> =>
  (value, field) =>
    value === word ? word : parse(value, field);
