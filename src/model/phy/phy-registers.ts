/** The register space of each kind of PHY. */
import type { Schedule } from "../registers/schedule.ts";
import type { Phy } from "./phy.ts";
import type { PhyFront } from "./phy-front.ts";
import { OcpPhy } from "./phy-ocp.ts";
import { PagedPhy } from "./phy-paged.ts";

/** The register space for this PHY's kind. @param ptp the time, if the PHY has a clock of the Precision Time Protocol */
export const registersOfPhy = (phy: Phy, ptp?: Schedule): PhyFront =>
  phy.kind.registers === "ocp" ? new OcpPhy(phy, ptp) : new PagedPhy(phy);
