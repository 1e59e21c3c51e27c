"""The page's style sheet."""

from __future__ import annotations

STYLE = """
:root {
  color-scheme: light dark;
  --ink: #1f2328; --soft: #59636e; --paper: #ffffff; --page: #f6f8fa; --line: #d8dee4;
  --accent: #0b5cad; --note: #fff8e1;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ink: #e6edf3; --soft: #9aa6b2; --paper: #161b22; --page: #0d1117; --line: #343b44;
    --accent: #79b8ff; --note: #2d2712;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; scroll-behavior: smooth; }
@media (prefers-reduced-motion: reduce) { html { scroll-behavior: auto; } }
body {
  margin: 0; background: var(--page); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif;
  overflow-wrap: anywhere;
}
header, main, footer { max-width: 1280px; margin: 0 auto; padding: 0 20px; }
header { padding-top: 36px; }
h1 { font-size: clamp(1.5rem, 1.1rem + 1.6vw, 2.2rem); line-height: 1.2; margin: 0 0 .4em; text-wrap: balance; }
h2 { font-size: 1.35rem; line-height: 1.3; margin: 0 0 .5em; }
h3 { font-size: 1.05rem; margin: 1.6em 0 .4em; }
p, ul { margin: .4em 0 .9em; }
a { color: var(--accent); }
nav ul { list-style: none; padding: 0; margin: 18px 0 0; display: flex; flex-wrap: wrap; gap: 8px; }
nav a {
  display: inline-block; padding: 5px 13px; border: 1px solid var(--line); border-radius: 999px;
  background: var(--paper); text-decoration: none; font-size: .92rem;
}
nav a:hover { border-color: var(--accent); }
.finding { font-size: 1.08rem; max-width: 62em; }
.notes {
  background: var(--note); border-left: 4px solid #d29922; border-radius: 4px; padding: 8px 16px; margin: 16px 0;
}
.notes ul { margin: 0; padding-left: 1.1em; }
.headlines { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 12px; margin: 18px 0 0; }
.headlines div { background: var(--paper); border: 1px solid var(--line); border-radius: 8px; padding: 10px 14px; }
.headlines dt { color: var(--soft); font-size: .88rem; line-height: 1.35; }
.headlines dd { margin: 2px 0 0; font-size: 1.5rem; font-weight: 650; font-variant-numeric: tabular-nums; }
section {
  background: var(--paper); border: 1px solid var(--line); border-radius: 10px; padding: 22px 24px; margin: 22px 0;
  scroll-margin-top: 12px;
}
figure { margin: 0 0 18px; }
figure img { display: block; width: 100%; height: auto; max-width: 1180px; margin: 0 auto; }
figcaption, .minor { color: var(--soft); }
figcaption { font-size: .9rem; margin-top: 6px; }
.table figcaption { margin: 14px 0 6px; }
/* A shadow on the right where there is more to see; it is covered at the end of the table. */
.scroll {
  background:
    linear-gradient(to left, var(--paper) 50%, transparent) right / 48px 100% no-repeat local,
    linear-gradient(to left, rgb(110 120 130 / .45), transparent) right / 16px 100% no-repeat scroll;
}
.scroll { overflow-x: auto; border: 1px solid var(--line); border-radius: 8px; max-width: 100%; }
.scroll:focus-visible { outline: 2px solid var(--accent); }
table { border-collapse: separate; border-spacing: 0; font-size: .9rem; width: 100%; overflow-wrap: normal; }
th, td { padding: 6px 9px; border-bottom: 1px solid var(--line); vertical-align: baseline; }
tbody tr:last-child > * { border-bottom: 0; }
thead th {
  text-align: right; vertical-align: bottom; font-weight: 600; line-height: 1.3; min-width: 5.8em; max-width: 11em;
  overflow-wrap: anywhere;
}
thead th:first-child, tbody th, .word { text-align: left; }
thead .minor { display: block; font-weight: 400; font-size: .88em; }
tbody th { font-weight: 500; min-width: 9.5em; max-width: 22em; overflow-wrap: anywhere; }
tbody th .minor { white-space: nowrap; font-size: .9em; }
.word, .words td { white-space: normal; overflow-wrap: anywhere; }
td.word { min-width: 6.5em; }
tbody th:first-child, thead th:first-child { position: sticky; left: 0; background: var(--paper); }
td { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
td .minor { font-size: .9em; }
.words td {
  text-align: left; font: .84rem/1.5 ui-monospace, "DejaVu Sans Mono", monospace;
}
pre {
  overflow-x: auto; max-width: 100%; padding: 12px 14px; white-space: pre; overflow-wrap: normal;
  background: var(--page); border: 1px solid var(--line); border-radius: 8px;
  font: .84rem/1.5 ui-monospace, "DejaVu Sans Mono", monospace;
}
details { margin: 14px 0; }
summary { cursor: pointer; color: var(--accent); }
footer { color: var(--soft); font-size: .86rem; padding-bottom: 36px; }
@media screen and (max-width: 820px) {
  header, main, footer { padding-left: 12px; padding-right: 12px; }
  header { padding-top: 22px; }
  section { padding: 16px 12px; margin: 14px 0; }
  figure img { max-width: 560px; }
  tbody th { min-width: 7.5em; max-width: 10em; }
  th, td { padding: 6px 7px; }
  thead th { min-width: 7.8em; }
}
@media print {
  :root { --ink: #000; --soft: #444; --paper: #fff; --page: #fff; --line: #bbb; --accent: #000; --note: #fff; }
  body { font-size: 10pt; }
  nav { display: none; }
  section { border: 0; padding: 0; }
  figure, tr { break-inside: avoid; }
  h2, h3 { break-after: avoid; }
  .scroll { overflow: visible; border: 0; }
  table { font-size: 7.5pt; }
  th, td { padding: 3px 4px; }
  pre { white-space: pre-wrap; overflow-wrap: anywhere; }
  details::details-content { content-visibility: visible; block-size: auto; }
}
"""
