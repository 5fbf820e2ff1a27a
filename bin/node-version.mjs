/** Which Node this program needs. Plain JavaScript that an older one can read as well. */

/** The oldest with `node:ffi` as src/sys uses it. */
export const NEEDED = "26.10";

/** @type {(version: string) => boolean} */
export const isNewEnough = (version) => {
  const [[major, minor], [needMajor, needMinor]] = [version, NEEDED].map((text) => text.split(".").map(Number));
  return major > needMajor || (major === needMajor && minor >= needMinor);
};
