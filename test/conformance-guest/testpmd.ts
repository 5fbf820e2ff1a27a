/** DPDK's testpmd in a guest, controlled by its command line. */
import type { Guest } from "../guest/guest.ts";
import { LIMIT_MILLIS } from "../rigs/eventually.ts";

const INPUT = "/run/testpmd.in";
const OUTPUT = "/run/testpmd.out";
const PID = "/run/testpmd.pid";
/** File with the id of the process that keeps the input open between commands. */
const HOLDER = "/run/testpmd.holder";
const PROMPT = "testpmd> ";
const TURN_SECONDS = 0.05;

/** Parameter for the guest's kernel, which reserves pages of 2 MiB. */
export const HUGE_PAGES = "hugepages=64";

/**
 * Binds the card to uio_pci_generic, a driver that only exposes the card's registers and interrupt. VFIO cannot be
 * used: Debian's kernels are built without VFIO's mode for machines without an IOMMU. The mode of / is changed because
 * DPDK rejects libraries below a world-writable folder.
 */
const TAKE = `set -e
chmod 755 /
mkdir -p /dev/hugepages /var/run
mountpoint -q /dev/hugepages || mount -t hugetlbfs none /dev/hugepages
modprobe uio_pci_generic
for card in /sys/bus/pci/devices/*; do
  [ "$(cat $card/vendor)" = 0x10ec ] || continue
  echo uio_pci_generic >$card/driver_override
  [ -e $card/driver ] || echo \${card##*/} >/sys/bus/pci/drivers_probe
done
rm -f ${INPUT} ${OUTPUT}
mkfifo ${INPUT}`;

const waitFor = (condition: string, limitMillis: number): string =>
  `for i in $(seq ${Math.ceil(limitMillis / (1000 * TURN_SECONDS))}); do ${condition} && break; sleep ${TURN_SECONDS}; done`;

export class Testpmd {
  readonly #guest: Guest;
  /** Number of bytes of testpmd's output that have been read. */
  #read = 0;

  private constructor(guest: Guest) {
    this.#guest = guest;
  }

  /** @param options testpmd's own options @throws {Error} with testpmd's output if it does not start */
  static async start(guest: Guest, ...options: readonly string[]): Promise<Testpmd> {
    const program = ["stdbuf -oL dpdk-testpmd", "--lcores", "0,1", "--no-telemetry", "--", "-i", ...options].join(" ");
    await guest.mustRun(
      `${TAKE}
       ( exec ${program} <${INPUT} >${OUTPUT} 2>&1 ) &
       echo $! >${PID}
       ( exec sleep 1000000 >${INPUT} ) &
       echo $! >${HOLDER}`,
    );
    const testpmd = new Testpmd(guest);
    const output = await testpmd.#answer("", LIMIT_MILLIS);
    if (!output.includes(PROMPT)) throw new Error(`testpmd did not start:\n${output}`);
    return testpmd;
  }

  /** Gives testpmd a command; returns its output. @throws {Error} if testpmd does not show its prompt again */
  async ask(command: string, limitMillis = LIMIT_MILLIS): Promise<string> {
    const output = await this.#answer(`echo '${command}' >${INPUT}`, limitMillis);
    if (!output.includes(PROMPT)) throw new Error(`testpmd does not answer "${command}":\n${output}`);
    return output;
  }

  /** Ends testpmd; returns its last output. */
  async quit(): Promise<string> {
    await this.#guest.mustRun(
      `echo quit >${INPUT}; ${waitFor(`! kill -0 $(cat ${PID})`, LIMIT_MILLIS)}`,
      2 * LIMIT_MILLIS,
    );
    return this.#guest.mustRun(`kill $(cat ${HOLDER}); tail -c +${this.#read + 1} ${OUTPUT}; ! kill -0 $(cat ${PID})`);
  }

  async #answer(ask: string, limitMillis: number): Promise<string> {
    const newOutput = `tail -c +${this.#read + 1} ${OUTPUT}`;
    const { bytes, stdout } = await this.#guest.run(
      `${ask}
       ${waitFor(`{ ${newOutput} | grep -q '${PROMPT}' || ! kill -0 $(cat ${PID}); }`, limitMillis)}
       ${newOutput}`,
      2 * limitMillis,
    );
    this.#read += bytes.length;
    return stdout;
  }
}
