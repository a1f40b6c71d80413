/** Style sheet of the samples page. */
export const REPORT_STYLE = `
:root { color-scheme: light dark; --line: #8884; --soft: #8881; --blue: #2f86d6;
  --good: #1a7f37; --half: #8a5a00; --bad: #b3261e; --extra: #ffe08a; --lack: #ffd3cf; --number: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --good: #4cc38a; --half: #e0a93b; --bad: #ff8a80;
  --extra: #5c4a00; --lack: #5f2320; --number: #ffb3ab; } }
* { box-sizing: border-box; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 84rem; padding: 0 1rem; }
h1 { font-size: 1.5rem; line-height: 1.25; overflow-wrap: break-word; }
table { border-collapse: collapse; margin: 1rem 0; }
th, td { padding: .4rem .6rem; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line);
  overflow-wrap: break-word; }
.measures th { font-weight: 400; }
.measures td { white-space: nowrap; font-variant-numeric: tabular-nums; }
.bar { display: inline-block; width: 10rem; height: .6rem; background: var(--line); border-radius: .3rem; }
.bar span { display: block; height: 100%; background: var(--blue); border-radius: .3rem; }
section > input { position: absolute; opacity: 0; }
section > label { display: inline-block; padding: .25rem .8rem; margin: 0 .3rem .3rem 0; border: 1px solid var(--line);
  border-radius: 1rem; cursor: pointer; }
section > input:checked + label { background: CanvasText; color: Canvas; }
section > input:focus-visible + label { outline: 2px solid var(--blue); outline-offset: 2px; }
#show-right:checked ~ .samples tbody tr:not(.right), #show-half:checked ~ .samples tbody tr:not(.half),
#show-wrong:checked ~ .samples tbody tr:not(.wrong) { display: none; }
.key { margin: .5rem 0 0; font-size: .875rem; }
mark, del { color: inherit; border-radius: .15rem; padding: 0 .1rem; text-decoration: none; }
mark { background: var(--extra); }
del { background: var(--lack); }
mark.number { color: var(--number); background: none; font-weight: 700; text-decoration: underline wavy; }
mark mark.number { background: none; }
.samples { width: 100%; table-layout: fixed; }
.samples caption { text-align: left; padding-bottom: .4rem; }
.samples thead th { background: var(--soft); }
.samples th:first-child { width: 3rem; } .samples th:last-child { width: 7rem; }
.samples td div { white-space: pre-wrap; max-height: 10rem; overflow: auto; }
.mark { font-weight: 600; }
.right .mark { color: var(--good); } .half .mark { color: var(--half); } .wrong .mark { color: var(--bad); }
@media (max-width: 700px) {
  .bar { width: 100%; }
  .measures td:last-child { width: 30%; }
  .measures th, .measures td { padding: .4rem .3rem; }
  .measures { width: 100%; }
  .samples, .samples tbody, .samples caption { display: block; }
  .samples thead { display: none; }
  .samples tr { display: grid; grid-template-columns: auto 1fr; border: 1px solid var(--line); border-radius: .5rem; padding: .5rem .75rem; margin: 0 0 .75rem; }
  .samples td { display: block; border: 0; padding: .2rem 0; grid-column: 1 / -1; }
  .samples td:first-child { order: -2; grid-column: 1; } .samples td.mark { order: -1; grid-column: 2; text-align: right; }
  .samples td div { max-height: 4rem; }
  .samples td:first-child { font-weight: 600; }
  .samples td:first-child::before { content: 'Sample '; }
  .samples td[data-label]::before { content: attr(data-label); display: block; font-size: .8rem; opacity: .75; font-weight: 400; }
  .samples td.mark::before { display: none; }
}
@media print { .samples td div { max-height: none; } section > input, section > label { display: none; } }
`;
