/** Removes addresses, serial numbers and names from text, in any notation. */

/** Known values of this machine that no pattern recognises. */
export interface KnownNames {
  /** Names of hosts and users, which are removed as whole words. */
  readonly names: readonly string[];
  /** Serial numbers and machine ids, which are removed even within words. */
  readonly serials: readonly string[];
}

type Rule = readonly [pattern: RegExp, instead: string];

/** Separators of octets. */
const MARK = "(?:[:-]|%3a|%2d)";
const OTHER_MARK = String.raw`(?:[._\s]|[,;]\s?|%20|(?=\\x))`;
const PREFIX = String.raw`(?:0x|\\x)?`;
/** A pattern for the beginning of an octet, which must not follow another digit. */
const START = String.raw`(?<![0-9a-f])${PREFIX}`;

/** Host names that contain an IPv6 address. */
const IPV6_NAMES: readonly Rule[] = [
  [/[0-9a-f-]+(?:s[0-9a-z]+)?\.ipv6-literal\.net/gi, "<IPv6>"],
  [/(?<![0-9a-f])[0-9a-f](?:\.[0-9a-f]){7,}(?:\.ip6\.arpa)?/gi, "<IPv6>"],
];

/** Six octets or more, in any groups: MAC, EUI-64, WWN, DUID, UUID, PCI Express' device serial number, IPv6 in full. */
const OCTETS: readonly Rule[] = [
  [new RegExp(`${START}[0-9a-f]{1,2}(?:${MARK}${PREFIX}[0-9a-f]{1,2}){5,}`, "gi"), "<octets>"],
  [new RegExp(`${START}[0-9a-f]{2}(?:${OTHER_MARK}${PREFIX}[0-9a-f]{2}){5,}`, "gi"), "<octets>"],
  [/[0-9a-f](?:[:._-]?[0-9a-f]){11,}/gi, "<octets>"],
];

/** Four or more numbers in any base: IPv4 in either byte order, and object identifiers that contain an address. */
const NUMBER = "(?:0x[0-9a-f]{1,2}|[0-9]{1,4})";
const IPV4: readonly Rule[] = [
  [new RegExp(`${NUMBER}(?:\\.${NUMBER}){3,}(?:\\.in-addr\\.arpa)?`, "gi"), "<IPv4>"],
  [/(?<![0-9a-f])[0-9]{1,3}(?:[-_][0-9]{1,3}){3}(?![0-9a-f])/gi, "<IPv4>"],
];

/** IPv6 addresses with "::", which a PCI address does not have. */
const GROUPS = "[0-9a-f]{1,4}(?::[0-9a-f]{1,4})*";
const IPV6: readonly Rule[] = [[new RegExp(`(?:${GROUPS})::(?:${GROUPS})?|::${GROUPS}`, "gi"), "<IPv6>"]];

/** Values that follow a label. */
const LABELLED: readonly Rule[] = [
  [
    /\b(serial(?:[ _-]?(?:number|no))?|s\/n|asset(?:[ _-]?tag)?|uuid|guid|wwid|wwpn|wwnn|duid|machine[ _-]?id|boot[ _-]?id|host(?:[ _-]?name)?|user(?:[ _-]?name)?|login)(\s*[:=#]\s*)("[^"]*"|\S+)/gi,
    "$1$2<redacted>",
  ],
  [/[^\s<>"'@]+@[^\s<>"'@]+/g, "<address>"],
];

/** Paths, which may reveal an owner. Those of system files are kept, because they are the same everywhere. */
const PATHS: readonly Rule[] = [[/(?<![\w.)>/])\/(?!(?:sys|dev|proc)\/)[^\s"'`:,;)]+/g, "<path>"]];

/**
 * Single numbers that may be an IPv4 address, such as 0x0a000001 or 167772161. 0x00000000 and 0xffffffff are kept,
 * because they are common register values.
 */
const LONG_NUMBERS: readonly Rule[] = [
  [/(?<![0-9a-fx])(?:0x)?(?!0{8}|f{8})[0-9a-f]{8}(?![0-9a-f])/gi, "<number>"],
  [/(?<![0-9a-fx])[0-9]{8,10}(?![0-9a-f])/gi, "<number>"],
];

const applied = (text: string, rules: readonly Rule[]): string =>
  rules.reduce((redacted, [pattern, instead]) => redacted.replace(pattern, instead), text);

/** Removes everything that looks like an address or id. Register values of up to 32 bits stay. */
export const redacted = (text: string): string => applied(text, [...IPV6_NAMES, ...IPV4, ...OCTETS, ...IPV6]);

/** Sorts words by length, the longest first, because one name may be a prefix of another. */
const longestFirst = (words: readonly string[]): readonly string[] => [...words].sort((a, b) => b.length - a.length);

/** Removes private data from any text: messages, paths, names of interfaces, the kernel's command line. */
export class Redactor {
  readonly #known: readonly Rule[];

  constructor({ names, serials }: KnownNames) {
    this.#known = [
      ...longestFirst(serials).map((serial): Rule => [new RegExp(RegExp.escape(serial), "gi"), "<serial>"]),
      ...longestFirst(names).map((name): Rule => [
        new RegExp(String.raw`(?<![\p{L}\p{N}])${RegExp.escape(name)}(?![\p{L}\p{N}])`, "giu"),
        "<name>",
      ]),
    ];
  }

  /** Removes only this machine's names and serial numbers. This is for version numbers, which look like addresses. */
  unnamed(text: string): string {
    return applied(text, this.#known);
  }

  /** Redacts text that may contain anything, such as an error message. */
  text(text: string): string {
    return applied(redacted(applied(this.unnamed(text), [...LABELLED, ...PATHS])), LONG_NUMBERS);
  }

  /** Redacts every text in a document. */
  all<T>(value: T, clean = (text: string): string => this.text(text)): T {
    const sweep = (each: unknown): unknown => {
      if (typeof each === "string") return clean(each);
      if (Array.isArray(each)) return each.map(sweep);
      if (typeof each !== "object" || each === null) return each;
      return Object.fromEntries(Object.entries(each).map(([name, inner]) => [name, sweep(inner)]));
    };
    return sweep(value) as T;
  }
}
