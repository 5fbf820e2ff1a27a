/** Background processes in a guest, ended when disposed. */
import { type Background, GRACE_SECONDS } from "../rigs/background.ts";
import { eventually } from "../rigs/eventually.ts";

let started = 0;

/** A background process in a guest. Its shell and all its children are one process group. */
export class GuestBackground implements Background {
  readonly #must: (command: string) => Promise<string>;
  readonly #group: string;
  readonly #log: string;
  #said: string | undefined;

  private constructor(must: (command: string) => Promise<string>, group: string, log: string) {
    this.#must = must;
    this.#group = group;
    this.#log = log;
  }

  /** @param must runs a shell command in the guest and throws if it fails */
  static async start(must: (command: string) => Promise<string>, command: string): Promise<GuestBackground> {
    const log = `/tmp/background.${++started}`;
    const quoted = command.replaceAll("'", `'\\''`);
    const pid = await must(`setsid sh -c '${quoted}' >${log} 2>&1 </dev/null & echo $!`);
    return new GuestBackground(must, `-${pid.trim()}`, log);
  }

  says(pattern: RegExp): Promise<string> {
    let said = "";
    return eventually(
      () => `${pattern} in ${said}`,
      async () => {
        said = await this.#must(`cat ${this.#log}`);
        return pattern.test(said) && said;
      },
      50,
    );
  }

  async stop(signal = "TERM"): Promise<string> {
    this.#said ??= await this.#must(
      `kill -${signal} ${this.#group} 2>/dev/null
       for i in $(seq ${GRACE_SECONDS * 50}); do kill -0 ${this.#group} 2>/dev/null || break; sleep 0.02; done
       while kill -KILL ${this.#group} 2>/dev/null; do sleep 0.02; done
       cat ${this.#log}; rm ${this.#log}`,
    );
    return this.#said;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}
