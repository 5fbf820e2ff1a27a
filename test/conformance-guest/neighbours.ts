/** Static neighbour entries at both ends, so that neither sends requests. */
import { FAR, NEAR, type Rig } from "../guest/rig.ts";

/**
 * Sets the entries. Until they are removed, the far end sends nothing by itself. Afterwards both ends resolve addresses
 * as usual.
 */
export const setNeighbours = async ({ guest, far, nic }: Rig): Promise<AsyncDisposable> => {
  const [{ address }] = JSON.parse(await far.mustRun(`ip -j link show ${FAR.name}`)) as [{ address: string }];
  const { mac } = await nic.state();
  const disableIpv6 = `/proc/sys/net/ipv6/conf/${FAR.name}/disable_ipv6`;
  await far.mustRun(
    `echo 1 >${disableIpv6}; ip neigh replace ${NEAR.ipv4} lladdr ${mac} nud permanent dev ${FAR.name}`,
  );
  await guest.mustRun(`ip neigh replace ${FAR.ipv4} lladdr ${address} nud permanent dev ${NEAR.name}`);
  return {
    async [Symbol.asyncDispose]() {
      await guest.run(`ip neigh del ${FAR.ipv4} dev ${NEAR.name}`);
      await far.run(
        `ip neigh del ${NEAR.ipv4} dev ${FAR.name}; echo 0 >${disableIpv6}; ip addr replace ${FAR.ipv6}/64 dev ${FAR.name} nodad`,
      );
    },
  };
};
