/** The two ways to open a device: a group in a container, or the device's own file with iommufd. */
import { Errno, SystemError } from "#sys/errno.ts";
import { IommuKind } from "#sys/vfio.ts";
import type { IommuInfo } from "#sys/vfio-structs.ts";
import type { VfioCard } from "./vfio-card.ts";
import {
  GroupNotViable,
  InUse,
  NoInterruptRemapping,
  NoSuchCard,
  NoVfioFile,
  NotPermitted,
  UnknownVfio,
} from "./errors.ts";
import type { DeviceFile, VfioKernel } from "./kernel.ts";
import { undo } from "./undo.ts";

/** The device's address space. The device can access only the memory mapped in it. */
export interface AddressSpace {
  info(): IommuInfo;
  /** @throws {SystemError} */
  map(memory: ArrayBufferLike, iova: number): void;
  unmap(iova: number, bytes: number): void;
}

/** An open device. It is closed by the scope in which it was opened. */
export interface Access {
  readonly how: "group" | "iommufd" | "no-iommu";
  readonly file: DeviceFile;
  /** Undefined without an IOMMU. */
  readonly space: AddressSpace | undefined;
  /**
   * Descriptors of this process's groups, which a bus reset requires as proof of ownership; undefined with iommufd,
   * which does not need them.
   */
  readonly proof: readonly number[] | undefined;
}

/** The only version of the API so far. */
const VFIO_VERSION = 0;

/** Runs one step, and converts its errors into errors about `card`. */
const step = <T>(card: VfioCard, path: string, act: () => T): T => {
  try {
    return act();
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    if (error.errno === Errno.ENOENT || error.errno === Errno.ENODEV || error.errno === Errno.ENXIO)
      throw new NoVfioFile(path);
    if (error.errno === Errno.EACCES || error.errno === Errno.EPERM) throw new NotPermitted(path, card.unsafe);
    if (error.errno === Errno.EBUSY) throw new InUse(card.address, path);
    throw error;
  }
};

/** Like `step`, for a step at which the kernel decides whether the device may be used. */
const claim = <T>(card: VfioCard, act: () => T): T => {
  try {
    return act();
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    if (error.errno === Errno.EPERM) throw new NoInterruptRemapping(card.address);
    if (error.errno === Errno.ENODEV) throw new NoSuchCard(card.address);
    const taken = error.errno === Errno.EBUSY || error.errno === Errno.EINVAL;
    if (taken && card.others.length > 0) throw new GroupNotViable(card.address, card.group, card.others);
    if (taken) throw new InUse(card.address, card.node?.path ?? card.groupPath);
    throw error;
  }
};

/** Opens the device through its group's file. Resources are added to `scope`. */
const openGroup = (kernel: VfioKernel, card: VfioCard, scope: DisposableStack): Access => {
  const container = scope.use(step(card, card.containerPath, () => kernel.container(card.containerPath)));
  const kind = card.unsafe ? IommuKind.none : IommuKind.type1v2;
  if (container.version !== VFIO_VERSION)
    throw new UnknownVfio(`VFIO has API version ${container.version} instead of 0`);
  const group = scope.use(step(card, card.groupPath, () => kernel.group(card.groupPath)));
  if (!group.viable) throw new GroupNotViable(card.address, card.group, card.others);
  step(card, card.groupPath, () => group.join(container));
  scope.defer(() => undo(() => group.leave()));
  if (!container.offers(kind)) throw new UnknownVfio(`VFIO offers no IOMMU of kind ${kind} for ${card.address}`);
  claim(card, () => container.choose(kind));
  const file = scope.use(claim(card, () => group.device(card.address)));
  return {
    how: card.unsafe ? "no-iommu" : "group",
    file,
    space: card.unsafe ? undefined : container,
    proof: [group.number],
  };
};

/** Opens the device through its own file. Resources are added to `scope`. */
const openNode = (
  kernel: VfioKernel,
  card: VfioCard,
  node: NonNullable<VfioCard["node"]>,
  scope: DisposableStack,
): Access => {
  const iommu = scope.use(step(card, node.iommuPath, () => kernel.iommufd(node.iommuPath)));
  const file = scope.use(step(card, node.path, () => kernel.device(node.path)));
  claim(card, () => file.bind(iommu));
  const ioas = iommu.allocate();
  scope.defer(() => undo(() => iommu.destroy(ioas)));
  claim(card, () => file.attach(ioas));
  scope.defer(() => undo(() => file.detach()));
  const space: AddressSpace = {
    info: () => iommu.info(ioas),
    map: (memory, iova) => iommu.map(ioas, memory, iova),
    unmap: (iova, bytes) => iommu.unmap(ioas, iova, bytes),
  };
  return { how: "iommufd", file, space, proof: undefined };
};

/**
 * Opens a device: through its own file if that exists and this user may open it, otherwise through the file of its
 * group. Without an IOMMU, always through the file of its group.
 * @throws {NoVfioFile} {NotPermitted} {InUse} {NoSuchCard} {GroupNotViable} {NoInterruptRemapping} {UnknownVfio}
 * @throws {SystemError}
 */
export const openAccess = (kernel: VfioKernel, card: VfioCard, scope: DisposableStack): Access => {
  if (card.node === undefined || card.unsafe) return openGroup(kernel, card, scope);
  using attempt = new DisposableStack();
  try {
    const access = openNode(kernel, card, card.node, attempt);
    scope.use(attempt.move());
    return access;
  } catch (error) {
    // Older udev rules let the user open only the group's file.
    if (!(error instanceof NotPermitted || error instanceof NoVfioFile)) throw error;
  }
  return openGroup(kernel, card, scope);
};
