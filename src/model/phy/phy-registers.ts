/** The register space of each kind of PHY. */
import type { Phy } from "./phy.ts";
import type { PhyFront } from "./phy-front.ts";
import { OcpPhy } from "./phy-ocp.ts";
import { PagedPhy } from "./phy-paged.ts";

/** The registers around this PHY, as its kind has them. */
export const registersOfPhy = (phy: Phy): PhyFront =>
  phy.kind.registers === "ocp" ? new OcpPhy(phy) : new PagedPhy(phy);
