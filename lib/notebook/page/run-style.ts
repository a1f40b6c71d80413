/** The look of the page of an executed notebook. */
export const RUN_STYLE = `:root{color-scheme:light dark;--comment:#5c6570;--string:#0b6b3a;--word:#8a2be2;--number:#9a4a00}
@media (prefers-color-scheme:dark){:root{--comment:#9aa4ae;--string:#7ee2a8;--word:#c9a5ff;--number:#ffb46b}}
*{box-sizing:border-box}
body{font:16px/1.5 system-ui,sans-serif;max-width:60em;margin:2em auto;padding:0 1em;overflow-wrap:break-word}
h1{line-height:1.25}
pre{overflow-x:auto;padding:.6em .8em;margin:.4em 0;font:13px/1.45 ui-monospace,monospace}
pre.code{background:rgba(127,127,127,.12);border-left:3px solid rgba(127,127,127,.5)}
pre.stderr,pre.error{background:rgba(220,60,50,.12)} img{max-width:100%;height:auto}
.wide{overflow-x:auto} .wide progress{max-width:100%}
table{border-collapse:collapse} th,td{padding:2px 10px;border-bottom:1px solid rgba(127,127,127,.3);text-align:left;overflow-wrap:normal}
code{background:rgba(127,127,127,.15);padding:0 .25em} pre code{background:none;padding:0}
.c{color:var(--comment)} .s{color:var(--string)} .k{color:var(--word)} .n{color:var(--number)}`;
