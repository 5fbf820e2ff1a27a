/** Background processes in a guest, ended when disposed. */
import { type Background, GRACE_SECONDS } from "../rigs/background.ts";
import { eventually } from "../rigs/eventually.ts";

let started = 0;

/** A background process in a guest. Its shell and all its children are one process group. */
export class GuestBackground implements Background {
  readonly #mustRun: (command: string) => Promise<string>;
  readonly #group: string;
  readonly #log: string;
  #output: string | undefined;

  private constructor(mustRun: (command: string) => Promise<string>, group: string, log: string) {
    this.#mustRun = mustRun;
    this.#group = group;
    this.#log = log;
  }

  /** @param mustRun runs a shell command in the guest and throws if it fails */
  static async start(mustRun: (command: string) => Promise<string>, command: string): Promise<GuestBackground> {
    const log = `/tmp/background.${++started}`;
    const quoted = command.replaceAll("'", `'\\''`);
    const pid = await mustRun(`setsid sh -c '${quoted}' >${log} 2>&1 </dev/null & echo $!`);
    return new GuestBackground(mustRun, `-${pid.trim()}`, log);
  }

  waitFor(pattern: RegExp): Promise<string> {
    let output = "";
    return eventually(
      () => `${pattern} in ${output}`,
      async () => {
        output = await this.#mustRun(`cat ${this.#log}`);
        return pattern.test(output) && output;
      },
      50,
    );
  }

  async stop(signal = "TERM"): Promise<string> {
    this.#output ??= await this.#mustRun(
      `kill -${signal} ${this.#group} 2>/dev/null
       for i in $(seq ${GRACE_SECONDS * 50}); do kill -0 ${this.#group} 2>/dev/null || break; sleep 0.02; done
       while kill -KILL ${this.#group} 2>/dev/null; do sleep 0.02; done
       cat ${this.#log}; rm ${this.#log}`,
    );
    return this.#output;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}
