/** The style of a comparison's page: light or dark as the reader has chosen, readable on a phone and on paper. */

/**
 * Colours of the drivers, in the comparison's order: first the colour on white, then the colour on black. Each has a
 * contrast of at least 3 to 1.
 */
const COLOURS = [
  ["#111827", "#f3f4f6"],
  ["#2563eb", "#60a5fa"],
  ["#0e7490", "#22d3ee"],
  ["#c2410c", "#fb923c"],
  ["#7c3aed", "#a78bfa"],
  ["#15803d", "#4ade80"],
  ["#be185d", "#f472b6"],
  ["#854d0e", "#eab308"],
  ["#4d7c0f", "#a3e635"],
] as const;

const colours = (scheme: 0 | 1): string => COLOURS.map((pair, i) => `--s${i}:${pair[scheme]}`).join(";");

export const STYLE = `
:root{color-scheme:light dark;--back:#fff;--text:#1f2937;--soft:#4b5563;--edge:#d1d5db;--band:#f3f4f6;--warn:#fef3c7;${colours(0)}}
@media (prefers-color-scheme:dark){:root{--back:#0f1419;--text:#e5e7eb;--soft:#9ca3af;--edge:#374151;--band:#1a2129;--warn:#3b2f0b;${colours(1)}}}
*{box-sizing:border-box}
body{margin:0;background:var(--back);color:var(--text);font:16px/1.5 system-ui,sans-serif}
main{max-width:76rem;margin:0 auto;padding:1rem 1rem 4rem}
h1{font-size:1.7rem;line-height:1.2;margin:1rem 0 .5rem}
h2{font-size:1.3rem;margin:2.5rem 0 .5rem;padding-top:.5rem;border-top:1px solid var(--edge)}
h3{font-size:1.05rem;margin:1.8rem 0 .2rem}
p{margin:.4rem 0;max-width:46rem}
nav ul,.legend{list-style:none;display:flex;flex-wrap:wrap;gap:.2rem 1.1rem;margin:.6rem 0;padding:0}
a{color:var(--s1)}
.note,.soft{color:var(--soft);font-size:.9rem}
.warn{background:var(--warn);padding:.5rem .8rem;border-radius:.3rem}
figure{margin:1rem 0 .5rem;max-width:46rem}
.legend{font-size:.9rem}
.legend li{display:flex;align-items:center;gap:.35rem}
.plot{display:block;width:100%;height:auto}
.plot text{font-size:13px;fill:var(--text)}
.plot .tick{fill:var(--soft)}
.grid{fill:none;stroke:var(--edge);stroke-width:.7}
.one{fill:none;stroke:var(--text);stroke-width:1.4;stroke-dasharray:5 3}
.line{fill:none;stroke:var(--c);stroke-width:1.8;stroke-linejoin:round}
.spread{fill:none;stroke:var(--c);stroke-width:1.8}
.mark{fill:var(--c);stroke:var(--back);stroke-width:.8}
${COLOURS.map((_, i) => `.s${i}{--c:var(--s${i})}`).join("")}
.scroll{overflow-x:auto}
table{border-collapse:collapse;font-size:.9rem;font-variant-numeric:tabular-nums;margin:.4rem 0}
th,td{padding:.25rem .7rem;text-align:right;white-space:nowrap;border-bottom:1px solid var(--edge)}
th[scope=row],td.word,th.word{text-align:left}
thead th{background:var(--band);font-weight:600}
th[scope=row]{font-weight:500;position:sticky;left:0;background:var(--back)}
thead th:first-child{position:sticky;left:0;text-align:left}
code,pre{font:.9em ui-monospace,monospace;background:var(--band);border-radius:.2rem;padding:.1rem .3rem}
pre{padding:.7rem;overflow-x:auto}
details{margin:1rem 0}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1rem;margin:.5rem 0}
dt{color:var(--soft)}dd{margin:0}
@media (max-width:40rem){body{font-size:15px}.plot text{font-size:20px}.plot .tick{font-size:18px}th,td{padding:.25rem .5rem}dl{grid-template-columns:1fr}dd{margin-bottom:.3rem}}
@media print{:root{color-scheme:light}.scroll{overflow:visible}nav{display:none}}
`;
