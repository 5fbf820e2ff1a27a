/** The version of Node that this program needs. Plain JavaScript, so that an older Node can run this file too. */

/** The oldest version whose `node:ffi` has all that src/sys uses. */
export const NEEDED = "26.10";

/** @type {(version: string) => boolean} */
export const isNewEnough = (version) => {
  const [[major, minor], [needMajor, needMinor]] = [version, NEEDED].map((text) => text.split(".").map(Number));
  return major > needMajor || (major === needMajor && minor >= needMinor);
};
