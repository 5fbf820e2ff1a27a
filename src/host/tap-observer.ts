/**
 * Settings of a TAP: its name, MTU, address, and the frames it must receive.
 *
 * The kernel notifies a driver of changes of these settings (ndo_set_rx_mode and others), but the owner of a TAP has to
 * poll them. A macvlan, an additional unicast address or a multicast group causes no netlink notification.
 */
import { Errno, SystemError } from "#sys/errno.ts";
import { InterfaceFlag } from "#sys/interface.ts";
import { MulticastList } from "#sys/multicast-list.ts";
import { NamespaceNotPermitted, NetworkNamespace } from "#sys/namespace.ts";
import { type InterfaceState, interfaceState } from "#sys/netlink.ts";
import { RouteSocket } from "#sys/route-socket.ts";
import type { Tap } from "#sys/tap.ts";

export interface TapState {
  readonly name: string;
  /**
   * False while the interface is in a network namespace that this process may not enter, or is not found in its
   * namespace; `mtu`, `promiscuous` and `groups` are then defaults.
   */
  readonly visible: boolean;
  /** The MTU; undefined while it cannot be read. */
  readonly mtu: number | undefined;
  readonly address: Uint8Array;
  /**
   * Whether all frames must be received: an administrator has requested it, or a packet socket, a bridge or an
   * additional unicast address needs it.
   */
  readonly promiscuous: boolean;
  /** Multicast addresses to receive; "all" also if the kernel does not report them. */
  readonly groups: "all" | readonly Uint8Array[];
}

/** The network namespace from which the interface is observed: both sockets belong to it. */
interface View {
  /** The `NetworkNamespace.identity` of the namespace. */
  readonly identity: number;
  readonly routes: RouteSocket;
  readonly multicast: MulticastList | undefined;
}

/** Reads the settings of a TAP in any namespace. The caller owns the TAP. */
export class TapObserver implements Disposable {
  readonly #tap: Tap;
  #scope = new DisposableStack();
  #view: View | undefined;

  constructor(tap: Tap) {
    this.#tap = tap;
  }

  /** @throws {SystemError} EBADFD if the interface was deleted */
  read(): TapState {
    const name = this.#tap.currentName();
    const { address } = this.#tap;
    const view = this.#follow();
    const link = view === undefined ? undefined : interfaceState(view.routes, name);
    // If the kernel does not report the TAP's namespace, the interface found here may be another one with the same
    // name, so the addresses are compared.
    if (view === undefined || link === undefined || !same(link.address, address))
      return { name, visible: false, mtu: undefined, address, promiscuous: false, groups: "all" };
    return {
      name,
      visible: true,
      mtu: link.mtu,
      address,
      promiscuous: link.promiscuity > 0,
      groups: joinedGroups(link, view.multicast),
    };
  }

  [Symbol.dispose](): void {
    this.#scope.dispose();
    this.#view = undefined;
  }

  /**
   * The view from the interface's present namespace, opened anew if the interface has moved; undefined if this process
   * may not enter that namespace.
   */
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

/** Undefined if /proc is missing or not readable. */
const openMulticastList = (scope: DisposableStack): MulticastList | undefined => {
  try {
    return scope.use(MulticastList.open());
  } catch (error) {
    if (error instanceof SystemError && (error.errno === Errno.ENOENT || error.errno === Errno.EACCES))
      return undefined;
    throw error;
  }
};

const joinedGroups = (
  { index, flags, allMulticast }: InterfaceState,
  list: MulticastList | undefined,
): TapState["groups"] => {
  if ((flags & InterfaceFlag.multicast) === 0) return [];
  return allMulticast === 0 && list !== undefined ? list.of(index) : "all";
};

const same = (a: Uint8Array | undefined, b: Uint8Array): boolean => a !== undefined && Buffer.compare(a, b) === 0;
