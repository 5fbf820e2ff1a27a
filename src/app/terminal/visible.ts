/** Makes foreign text safe for a terminal: names of files, devices and interfaces, and replies of other programs. */

/**
 * Characters that a terminal interprets: C0 and C1 controls and DEL, line and paragraph separators, and the characters
 * that override the direction of text.
 */
// oxlint-disable-next-line no-control-regex -- control characters are the subject
const OBEYED = /[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g;
/** Matches the colours that `Stream.paint` writes, but no other control sequences. */
// oxlint-disable-next-line no-control-regex -- control characters are the subject
const PAINTED = /(\u001b\[(?:1|2|22|31|32|33|36|39)m)/;

const escaped = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;

/** Replaces control characters by \uXXXX, which is also valid in JSON. */
export const visible = (text: string): string => text.replaceAll(OBEYED, escaped);

/** Does the same as `visible`, but keeps colours. */
export const visiblePainted = (text: string): string =>
  text
    .split(PAINTED)
    .map((part, i) => (i % 2 === 1 ? part : visible(part)))
    .join("");
