/**
 * Fetches Debian packages of suites that this machine is not configured for. This machine's apt is used with lists and
 * archives in a separate folder; from the system only the mirror and the proxy settings are read, and nothing is
 * changed.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";
const ANY_MIRROR = "http://deb.debian.org/debian";
const COMPONENTS = "main non-free-firmware";
/** Time limit of a download: enough for the largest package at 1 MB/s. */
const LIMIT_MILLIS = 600_000;
const TRIES = 5;
const MERGED = ["bin", "sbin", "lib", "lib64"];

export interface Package {
  readonly name: string;
  readonly version: string;
}

const say = (program: string, ...args: string[]): string => execFileSync(program, args, { encoding: "utf8" });

/** The mirror that this machine uses, if it runs Debian. */
const mirror = (): string => {
  const system = readFileSync("/etc/os-release", "utf8");
  const codename = /^VERSION_CODENAME=(\w+)/m.exec(system)?.[1];
  if (!/^ID=debian$/m.test(system) || codename === undefined) return ANY_MIRROR;
  const targets = say("apt-get", "indextargets", "--format", "$(RELEASE) $(COMPONENT) $(REPO_URI)").split("\n");
  const main = targets
    .map((line) => line.split(" "))
    .find(([release, part]) => release === codename && part === "main");
  return main?.[2] ?? ANY_MIRROR;
};

/**
 * apt's configuration. It contains the system's proxy settings, but not the system's hooks, because Docker's images
 * have a hook that empties the system's cache.
 */
const configuration = (folder: string, architecture: string): string => `
${say("apt-config", "dump", "Acquire")}
APT::Architecture "${architecture}";
APT::Architectures { "${architecture}"; };
Acquire::Languages "none";
Acquire::Retries "${TRIES}";
APT::Install-Recommends "false";
APT::Sandbox::User "";
Dir::Etc::main "/dev/null";
Dir::Etc::parts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::Etc::sourcelist "${join(folder, "sources.list")}";
Dir::Etc::sourceparts "/dev/null";
Dir::State "${join(folder, "state")}";
Dir::State::status "${join(folder, "status")}";
Dir::Cache "${join(folder, "cache")}";
`;

/** Matches a URI that apt-get prints. The groups are the package's name and version: "1:11.1.3+ds-1~bpo13+1". */
const PRINTED = /^'\S+' ([^_\s]+)_([^_\s]+)_\w+\.deb /gm;

/** apt for given suites. Only one instance may use a folder at a time. */
export class Apt {
  readonly #environment: NodeJS.ProcessEnv;
  readonly #archives: string;

  /**
   * Fetches the suites' package lists. @param architecture Debian's name @param components components of Debian's
   * archive, in addition to the usual ones
   * @throws {Error} if they cannot be fetched or are not signed by Debian
   */
  constructor(folder: string, architecture: string, suites: readonly string[], components: readonly string[] = []) {
    for (const part of ["state/lists/partial", "cache/archives/partial", "archives"])
      mkdirSync(join(folder, part), { recursive: true });
    const from = mirror();
    const parts = [COMPONENTS, ...components].join(" ");
    const sources = suites.map((suite) => `deb [signed-by=${KEYRING}] ${from} ${suite} ${parts}\n`);
    writeFileSync(join(folder, "sources.list"), sources.join(""));
    writeFileSync(join(folder, "apt.conf"), configuration(folder, architecture));
    // With an empty status file, this apt considers no package installed.
    writeFileSync(join(folder, "status"), "");
    this.#archives = join(folder, "archives");
    this.#environment = { ...process.env, APT_CONFIG: join(folder, "apt.conf"), LC_ALL: "C" };
    try {
      this.#apt("update", "-qq", "-o", "APT::Update::Error-Mode=any");
    } catch (cause) {
      const old = existsSync(KEYRING) ? `; does ${KEYRING} know this suite's key?` : `: there is no ${KEYRING}`;
      throw new Error(`apt-get update of ${suites.join(", ")} from ${from} failed${old}`, { cause });
    }
  }

  #apt(...args: string[]): string {
    return execFileSync("apt-get", args, {
      cwd: this.#archives,
      env: this.#environment,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "inherit"],
      timeout: LIMIT_MILLIS,
    });
  }

  /** The named packages and their dependencies. @param release preferred release */
  needed(release: string, names: readonly string[]): readonly Package[] {
    const printed = this.#apt("install", "-y", "-qq", "--print-uris", "-t", release, ...names);
    const packages = [...printed.matchAll(PRINTED)].map(([, name, version]) => ({
      name: name!,
      version: decodeURIComponent(version!),
    }));
    if (packages.length === 0) throw new Error(`apt lists no package for ${names.join(", ")} of ${release}`);
    return packages;
  }

  /**
   * Fetches packages and unpacks them under `folder`, as on a system with merged /usr. Packages in the archive folder
   * are not fetched again.
   */
  unpack(packages: readonly Package[], folder: string): void {
    for (const name of MERGED) {
      mkdirSync(join(folder, "usr", name), { recursive: true });
      if (!existsSync(join(folder, name))) symlinkSync(`usr/${name}`, join(folder, name));
    }
    this.#apt("download", "-q", ...packages.map(({ name, version }) => `${name}=${version}`));
    for (const { name, version } of packages) {
      const file = `${name}_${version.replaceAll(":", "%3a")}_*.deb`;
      const script = `set -o pipefail; dpkg-deb --fsys-tarfile ${file} | tar -x --keep-directory-symlink -C "$0"`;
      execFileSync("bash", ["-c", script, folder], { cwd: this.#archives });
    }
  }
}
