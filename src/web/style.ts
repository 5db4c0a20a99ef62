/** The one style sheet. System fonts, both colour schemes, no requests beyond this one. */
export const styleSheet = `
:root {
  color-scheme: light dark;
  --paper: light-dark(#fdfdfc, #16181b);
  --ink: light-dark(#1c1f23, #e4e6e9);
  --quiet: light-dark(#5c6570, #9aa3ad);
  --line: light-dark(#dfe2e6, #2f353c);
  --shade: light-dark(#f3f4f2, #1e2227);
  --accent: light-dark(#0b5c8a, #6cb6e8);
  --warn: light-dark(#8a4b00, #f0b35e);
  --bad: light-dark(#a3242c, #f2858b);
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif;
}
header, main, footer { max-width: 72rem; margin: 0 auto; padding: 0 1.25rem; }
header { display: flex; gap: .75rem; align-items: center; padding-block: .9rem; border-bottom: 1px solid var(--line); }
header nav { flex: 1; }
header form { margin: 0; }
.brand { font-weight: 700; color: var(--ink); text-decoration: none; letter-spacing: -.01em; }
nav ol { display: flex; flex-wrap: wrap; list-style: none; margin: 0; padding: 0; }
nav li + li::before { content: "/"; color: var(--quiet); margin: 0 .45rem; }
main { padding-block: 1.5rem 3rem; }
footer { color: var(--quiet); font-size: .875rem; padding-block: 1rem 2rem; border-top: 1px solid var(--line); }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 1rem; overflow-wrap: anywhere; }
h2 { font-size: 1.1rem; margin: 2rem 0 .6rem; overflow-wrap: anywhere; }
a { color: var(--accent); text-underline-offset: .15em; }
a:hover { text-decoration-thickness: 2px; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; border-radius: 2px; }
.skip { position: absolute; left: -100vw; }
.skip:focus { left: 1rem; top: .5rem; background: var(--paper); padding: .4rem .8rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
caption { text-align: left; color: var(--quiet); padding-block: 0 .5rem; }
th, td { text-align: left; padding: .5rem .8rem .5rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
th { font-weight: 600; font-size: .875rem; color: var(--quiet); white-space: nowrap; }
tbody th { color: inherit; font-size: inherit; font-weight: 500; white-space: normal; overflow-wrap: anywhere; }
tbody tr:hover { background: var(--shade); }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.actions { white-space: nowrap; }
.actions a + a { margin-left: .8rem; }
code, pre, .digest { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; font-size: .875em; }
pre { background: var(--shade); border: 1px solid var(--line); border-radius: 6px; padding: .9rem 1rem; overflow-x: auto; }
.digest { overflow-wrap: anywhere; }
.quiet { color: var(--quiet); }
.badge {
  display: inline-block; font-size: .8rem; line-height: 1.4; padding: 0 .5rem; border: 1px solid; border-radius: 1rem;
  color: var(--quiet); margin-left: .5rem; white-space: nowrap;
}
.badge.damaged { color: var(--warn); }
.badge.expired, .badge.deleted { color: var(--bad); }
dl { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: .35rem 1.25rem; margin: 0; }
dt { color: var(--quiet); }
dd { margin: 0; overflow-wrap: anywhere; }
.buttons { display: flex; flex-wrap: wrap; gap: .6rem; margin: 1.25rem 0; align-items: start; }
.button, button {
  font: inherit; font-weight: 500; display: inline-block; min-height: 2.25rem; padding: .3rem .9rem; cursor: pointer;
  border: 1px solid var(--line); border-radius: 6px; background: var(--shade); color: var(--ink); text-decoration: none;
}
.button.first, button.first { background: var(--accent); border-color: var(--accent); color: var(--paper); }
button.danger { color: var(--bad); border-color: currentColor; }
details summary { cursor: pointer; padding: .3rem 0; color: var(--quiet); }
.note { border-left: 3px solid var(--warn); padding: .3rem .9rem; background: var(--shade); margin: 1rem 0; }
input { font: inherit; padding: .35rem .6rem; border: 1px solid var(--line); border-radius: 6px; background: var(--paper); color: inherit; max-width: 100%; }
`
