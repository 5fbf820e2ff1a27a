/** The register space of each kind of PHY. */
import type { Phy } from "./phy.ts";
import type { PhyFront, PhyParts } from "./phy-front.ts";
import { OcpPhy } from "./phy-ocp.ts";
import { PagedPhy } from "./phy-paged.ts";

/** The register space for this PHY's kind. */
export const registersOfPhy = (phy: Phy, parts: PhyParts): PhyFront =>
  phy.kind.registers === "ocp" ? new OcpPhy(phy, parts) : new PagedPhy(phy);
