/** Recordings of ethtool: what each command printed to standard output and standard error, and its exit code. */

export interface CommandOutput {
  readonly command: string;
  readonly exit: number;
  readonly out: readonly string[];
  readonly err: readonly string[];
}

const linesOf = (text: string): readonly string[] => (text === "" ? [] : text.replace(/\n$/, "").split("\n"));

export const commandOutput = (
  command: string,
  result: { exit: number; stdout: string; stderr: string },
): CommandOutput => ({
  command,
  exit: result.exit,
  out: linesOf(result.stdout),
  err: linesOf(result.stderr),
});

/** One block for each command: "$ ethtool …", stdout indented by two spaces, stderr after "! ", the exit code after "= ". */
export const formatRecording = (about: string, all: readonly CommandOutput[]): string =>
  [
    `# ${about}`,
    ...all.flatMap(({ command, exit, out, err }) => [
      `$ ethtool ${command}`,
      ...out.map((line) => `  ${line}`.trimEnd()),
      ...err.map((line) => `! ${line}`.trimEnd()),
      `= ${exit}`,
    ]),
    "",
  ].join("\n");

export const parseRecording = (text: string): readonly CommandOutput[] => {
  const all: CommandOutput[] = [];
  let [command, out, err]: [string, string[], string[]] = ["", [], []];
  for (const line of text.split("\n")) {
    if (line.startsWith("$ ethtool ")) [command, out, err] = [line.slice(10), [], []];
    else if (line.startsWith("! ") || line === "!") err.push(line.slice(2));
    else if (line.startsWith("= ")) {
      all.push({ command, exit: Number(line.slice(2)), out, err });
      command = "";
    } else if (!line.startsWith("#") && command !== "") out.push(line.slice(2));
  }
  return all;
};
