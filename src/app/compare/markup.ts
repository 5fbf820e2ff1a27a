/** HTML and SVG as values. All text is escaped. */

/** Text that is already markup. It is not escaped again. */
export class Markup {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

export type Child = Markup | string | readonly Child[];

const escaped = (text: string): string => text.replaceAll(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);

const inner = (child: Child): string => {
  if (child instanceof Markup) return child.text;
  return typeof child === "string" ? escaped(child) : child.map(inner).join("");
};

/** Elements that have no end tag in HTML. */
const VOID = ["meta"];

/** Creates an element; undefined attributes are omitted. */
export const h = (
  name: string,
  attributes: Readonly<Record<string, string | number | undefined>>,
  ...children: readonly Child[]
): Markup => {
  const given = Object.entries(attributes).filter(([, value]) => value !== undefined);
  const start = `<${[name, ...given.map(([key, value]) => `${key}="${escaped(String(value))}"`)].join(" ")}>`;
  return new Markup(VOID.includes(name) ? start : `${start}${inner(children)}</${name}>`);
};
