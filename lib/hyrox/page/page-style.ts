/** Style sheet of a feedback page: screen, phone, paper; light and dark. */
export const PAGE_STYLE = `
:root { color-scheme: light dark; --paper: #fdfcfa; --ink: #1d1c1a; --soft: #66625b; --line: #e2ded5; --tint: #f4f1ea;
  --ahead: #1f6cad; --behind: #ad4f0e; --middle: #6f6b64; --dot: #fff; --serif: 'Iowan Old Style', 'Palatino Linotype',
  Palatino, 'URW Palladio L', P052, Georgia, serif; }
@media screen and (prefers-color-scheme: dark) { :root { --paper: #17181b; --ink: #eceae5; --soft: #aaa69e; --line: #35373c;
  --tint: #202226; --ahead: #74b6f0; --behind: #f0a063; --middle: #a3a09a; --dot: #17181b; } }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 1rem/1.6 system-ui, -apple-system, 'Segoe UI', Roboto,
  'Helvetica Neue', Arial, sans-serif; font-variant-numeric: tabular-nums; overflow-wrap: break-word; }
main { max-width: 46rem; margin: 0 auto; padding: 3rem 1.5rem 4rem; }
.kicker { margin: 0 0 .6rem; color: var(--soft); font-size: .8125rem; letter-spacing: .08em; text-transform: uppercase; }
h1 { margin: 0 0 1.75rem; font: 600 2.35rem/1.15 var(--serif); letter-spacing: -.01em; text-wrap: balance; }
h2 { margin: 0 0 .35rem; font: 600 1.3rem/1.3 var(--serif); }
section { margin-top: 2.5rem; }
p { margin: 0 0 .8rem; max-width: 40rem; text-wrap: pretty; hyphens: manual; }
.lead { color: var(--soft); font-size: .9375rem; line-height: 1.5; margin-bottom: 1rem; }
.key { display: grid; grid-template-columns: repeat(4, 1fr); margin: 0; border-top: 2px solid var(--ink);
  border-bottom: 1px solid var(--line); }
.key div { padding: .8rem 1rem .9rem; border-left: 1px solid var(--line); }
.key div:first-child { padding-left: 0; border: 0; }
.key dt { color: var(--soft); font-size: .8125rem; }
.key dd { margin: 0; }
.key .big { font: 600 1.65rem/1.25 var(--serif); font-variant-numeric: lining-nums tabular-nums; white-space: nowrap; }
.key .small { color: var(--soft); font-size: .8125rem; line-height: 1.4; }
.text { margin-top: 2rem; }
.text p { font-size: 1.0625rem; }
a { color: var(--ahead); text-underline-offset: .15em; }
.cite { margin-left: .1em; padding: 0 .15em; font-size: .72em; line-height: 0; vertical-align: .4em; text-decoration: none; }
.cite:hover, .cite:focus-visible { text-decoration: underline; }
mark { background: none; color: inherit; text-decoration: underline wavy var(--behind) 1px; text-underline-offset: .25em; }
.why { color: var(--behind); font-size: .875em; }
:focus-visible { outline: 2px solid var(--ahead); outline-offset: 2px; border-radius: 2px; }
figure { margin: 0; }
svg { display: block; width: 100%; height: auto; font-family: inherit; font-variant-numeric: tabular-nums; fill: var(--ink); }
svg.narrow { display: none; }
.wide, .narrow { overflow: visible; }
svg .scale, svg .note, svg .step:not(.strong) .value { fill: var(--soft); }
svg .scale { font-size: 11.5px; }
svg .strong .note { fill: var(--ink); }
svg .track, svg .quarter, svg .median, svg .link, svg .guide { stroke: var(--soft); }
svg .ahead .stem { stroke: var(--ahead); } svg .behind .stem { stroke: var(--behind); } svg .middle .stem { stroke: var(--middle); }
svg .ahead .dot { fill: var(--ahead); } svg .behind .dot { fill: var(--behind); } svg .middle .dot { fill: var(--middle); }
svg .share { fill: var(--dot); }
svg .gain .bar { fill: var(--behind); } svg .loss .bar { fill: var(--ahead); } svg .end .dot { fill: var(--ink); }
.focus { padding: 1.1rem 1.4rem 1.2rem; background: var(--tint); border-radius: .4rem; }
.focus p:last-child { margin: 0; }
table { width: 100%; border-collapse: collapse; font-size: .9375rem; }
th, td { padding: .32rem 0 .32rem .6rem; border-bottom: 1px solid var(--line); text-align: right; font-weight: 400; vertical-align: baseline; }
tr > :first-child { padding-left: 0; }
td { white-space: nowrap; }
tbody th, thead th:first-child { text-align: left; }
thead th { color: var(--soft); font-size: .8125rem; line-height: 1.3; vertical-align: bottom; }
tr.whole > * { font-weight: 600; }
.faster { color: var(--ahead); } .slower { color: var(--behind); }
h3 { margin: 1.4rem 0 .2rem; font: 600 1rem/1.4 system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif; }
.focus h3, .text h3:first-child { margin-top: 0; }
.sources, .sources table { font-size: .875rem; line-height: 1.5; }
.sources td:first-child { width: 2rem; text-align: left; color: var(--soft); }
.sources thead th:nth-child(2) { text-align: left; }
.sources ol { margin: .4rem 0 0; padding: 0; list-style: none; }
.sources li { display: grid; grid-template-columns: 2rem 1fr; padding: .25rem 0; break-inside: avoid; }
.sources li > :first-child { color: var(--soft); }
.sources :target { background: var(--tint); }
.sources b { font-weight: 600; }
.sources cite { color: var(--soft); font-style: normal; font-size: .8125rem; overflow-wrap: anywhere; }
.print { margin-top: 2.5rem; padding-top: 1rem; border-top: 1px solid var(--line); color: var(--soft); font-size: .8125rem;
  line-height: 1.5; }
.print p { margin: 0 0 .4rem; max-width: none; }
.list { margin: 1.5rem 0 0; padding: 0; list-style: none; border-top: 2px solid var(--ink); }
.list a { display: flex; flex-wrap: wrap; justify-content: space-between; gap: 0 1rem; padding: .8rem 0; border-bottom: 1px solid var(--line);
  color: inherit; text-decoration: none; }
.list a:hover b { text-decoration: underline; }
.list span { color: var(--soft); font-size: .9375rem; }
@media screen and (max-width: 600px) {
  main { padding: 1.75rem 1.25rem 3rem; }
  h1 { font-size: 1.8rem; margin-bottom: 1.4rem; }
  .key { grid-template-columns: 1fr 1fr; }
  .key div:nth-child(odd) { padding-left: 0; border-left: 0; }
  .key div:nth-child(n + 3) { border-top: 1px solid var(--line); }
  svg.wide { display: none; } svg.narrow { display: block; }
  .sources td:first-child { width: 1.5rem; }
  .sources li { grid-template-columns: 1.5rem 1fr; }
  .sources table { font-size: .8125rem; }
  .sources th, .sources td { padding-left: .35rem; }
  .sources tr > :first-child { padding-left: 0; }
}
@page { size: A4; margin: 14mm 17mm; }
@media print {
  :root { --paper: #fff; color-scheme: light; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  html { font-size: 9.5pt; }
  body { line-height: 1.5; }
  p { max-width: none; }
  main { max-width: none; padding: 0; }
  h1 { margin-bottom: 1.2rem; }
  section { margin-top: 1.7rem; }
  .text { margin-top: 1.4rem; }
  figure { max-width: 43rem; }
  th, td { padding-top: .2rem; padding-bottom: .2rem; }
  .lead { margin-bottom: .6rem; }
  p { orphans: 3; widows: 3; }
  h2, h3 { break-after: avoid; }
  figure, .key, .focus, table, section.figure, .text > p { break-inside: avoid; }
  a { color: inherit; text-decoration: none; }
}
`;
