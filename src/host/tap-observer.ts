/**
 * What users have set on a TAP: its name, MTU and address, and which frames it receives.
 *
 * A kernel driver is told of all this (ndo_set_rx_mode and others); a TAP's owner has to look. A macvlan, a further unicast
 * address or a group changes without any netlink notice, so there is nothing to wait for.
 */
import { Errno, SystemError } from "#sys/errno.ts";
import { InterfaceFlag } from "#sys/interface.ts";
import { MulticastList } from "#sys/multicast-list.ts";
import { NamespaceNotPermitted, NetworkNamespace } from "#sys/namespace.ts";
import { type LinkState, linkState } from "#sys/netlink.ts";
import { RouteSocket } from "#sys/route-socket.ts";
import type { Tap } from "#sys/tap.ts";

export interface TapState {
  readonly name: string;
  /** False while the interface is in a network namespace that this process may not enter; then the rest is a guess. */
  readonly visible: boolean;
  /** Undefined while it cannot be seen. */
  readonly mtu: number | undefined;
  readonly address: Uint8Array;
  /** Someone wants every frame: an administrator, a packet socket, a bridge, or a further unicast address. */
  readonly promiscuous: boolean;
  /** Group addresses that are wanted; "all" as well where the kernel does not say which. */
  readonly groups: "all" | readonly Uint8Array[];
}

/** Where the interface is seen from: both stay in the namespace in which they were opened. */
interface View {
  /** That namespace's `NetworkNamespace.identity`. */
  readonly identity: number;
  readonly routes: RouteSocket;
  readonly multicast: MulticastList | undefined;
}

/** Looks at a TAP wherever it has been moved. The TAP is the caller's. */
export class TapObserver implements Disposable {
  readonly #tap: Tap;
  #scope = new DisposableStack();
  #view: View | undefined;

  constructor(tap: Tap) {
    this.#tap = tap;
  }

  /** @throws {SystemError} EBADFD when the interface was deleted */
  look(): TapState {
    const name = this.#tap.currentName();
    const { address } = this.#tap;
    const view = this.#follow();
    const link = view === undefined ? undefined : linkState(view.routes, name);
    // Where the kernel does not tell the namespace, another interface may have this name.
    if (view === undefined || link === undefined || !same(link.address, address))
      return { name, visible: false, mtu: undefined, address, promiscuous: false, groups: "all" };
    return {
      name,
      visible: true,
      mtu: link.mtu,
      address,
      promiscuous: link.promiscuity > 0,
      groups: wantedGroups(link, view.multicast),
    };
  }

  [Symbol.dispose](): void {
    this.#scope.dispose();
    this.#view = undefined;
  }

  /** The view of the namespace that the interface is in now; undefined where that may not be entered. */
  #follow(): View | undefined {
    using namespace = this.#tap.namespace() ?? NetworkNamespace.current();
    const { identity } = namespace;
    if (this.#view?.identity === identity) return this.#view;
    this[Symbol.dispose]();
    using scope = new DisposableStack();
    try {
      this.#view = namespace.within(() => openView(scope, identity));
    } catch (error) {
      if (!(error instanceof NamespaceNotPermitted)) throw error;
      return undefined;
    }
    this.#scope = scope.move();
    return this.#view;
  }
}

const openView = (scope: DisposableStack, identity: number): View => ({
  identity,
  routes: scope.use(RouteSocket.open()),
  multicast: openMulticastList(scope),
});

/** Undefined where there is no /proc, or a process may not look into it. */
const openMulticastList = (scope: DisposableStack): MulticastList | undefined => {
  try {
    return scope.use(MulticastList.open());
  } catch (error) {
    if (error instanceof SystemError && (error.errno === Errno.ENOENT || error.errno === Errno.EACCES))
      return undefined;
    throw error;
  }
};

const wantedGroups = (
  { index, flags, allMulticast }: LinkState,
  list: MulticastList | undefined,
): TapState["groups"] => {
  if ((flags & InterfaceFlag.multicast) === 0) return [];
  return allMulticast === 0 && list !== undefined ? list.of(index) : "all";
};

const same = (a: Uint8Array | undefined, b: Uint8Array): boolean => a !== undefined && Buffer.compare(a, b) === 0;
