/** The page of `exportWeb` as files: one HTML file and its style, the same for every model. */

/**
 * Nothing is fetched but from the page's own folder; WebAssembly may be compiled, and ONNX Runtime's threads begin as
 * blobs of its own script.
 */
const POLICY = [
  "default-src 'none'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "worker-src 'self' blob:",
  "connect-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
].join('; ');

/** index.html. What it says of the model comes from page.json. */
export const PAGE_HTML = `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<meta name="referrer" content="no-referrer">
<title>A tuned model</title>
<link rel="icon" href="icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="page.css">
</head>
<body>
<main>
<h1 id="title">A tuned model</h1>
<p id="status" role="status">Loading. If this line stays, the page was opened as a file: it needs a web server, for instance <code>npx serve</code> in this folder.</p>
<progress id="progress" max="1" value="0" aria-label="Loading the model"></progress>
<form id="form">
<div id="fields"></div>
<p class="buttons"><button id="ask" type="submit" disabled>Ask</button> <button id="stop" type="button" hidden>Stop</button></p>
</form>
<section id="answer" aria-live="polite" aria-label="Answer" hidden></section>
<noscript><p class="error">This page runs the model in the browser and needs JavaScript.</p></noscript>
</main>
<script type="module" src="page.js"></script>
</body>
</html>
`;

/** page.css: a phone and a screen, light and dark. */
export const PAGE_CSS = `:root { color-scheme: light dark; --paper: #fdfcfa; --ink: #1d1c1a; --soft: #66625b; --line: #cfc9bd; --tint: #f4f1ea;
  --accent: #1f6cad; --wrong: #a8320f; }
@media (prefers-color-scheme: dark) { :root { --paper: #17181b; --ink: #eceae5; --soft: #aaa69e; --line: #46484e;
  --tint: #202226; --accent: #74b6f0; --wrong: #f08f6f; } }
* { box-sizing: border-box; }
[hidden] { display: none !important; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--paper); color: var(--ink); overflow-wrap: break-word;
  font: 1rem/1.55 system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif; }
main { max-width: 44rem; margin: 0 auto; padding: 2.5rem 1.5rem 4rem; }
h1 { margin: 0 0 .5rem; font-size: 1.7rem; line-height: 1.2; text-wrap: balance; }
#status { margin: 0 0 1rem; color: var(--soft); font-size: .9375rem; }
#status.error, p.error { color: var(--wrong); }
progress { width: 100%; accent-color: var(--accent); }
label { display: block; margin: 1rem 0; }
label span { display: block; margin-bottom: .25rem; font-weight: 600; }
textarea { width: 100%; padding: .6rem .7rem; border: 1px solid var(--line); border-radius: .4rem; background: var(--tint);
  color: inherit; font: inherit; resize: vertical; }
.buttons { display: flex; gap: .6rem; margin: 1rem 0 0; }
button { min-height: 2.75rem; padding: 0 1.4rem; border: 1px solid var(--accent); border-radius: .4rem; background: var(--accent);
  color: var(--paper); font: inherit; font-weight: 600; cursor: pointer; }
#stop { background: transparent; color: var(--accent); }
button:disabled { opacity: .5; cursor: default; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
#answer { margin-top: 1.5rem; padding: 1rem 1.2rem; min-height: 3.5rem; border-left: 3px solid var(--accent); background: var(--tint);
  border-radius: 0 .4rem .4rem 0; white-space: pre-wrap; }
@media (max-width: 600px) { main { padding: 1.5rem 1.1rem 3rem; } h1 { font-size: 1.45rem; } button { flex: 1; } }
`;

/** icon.svg: browsers ask for an icon in any case. */
export const PAGE_ICON = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><path fill="#1f6cad" d="M2 3h12v8H8l-4 3v-3H2z"/></svg>
`;
