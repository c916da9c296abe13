// How the picker of stripe.js looks: its style sheet and its icons; served as a part of that script.

const STYLES = `
  :host { display: block; font: inherit; color: inherit; }
  :host([hidden]) { display: none; }
  fieldset { margin: 0; padding: 0; border: 0; min-width: 0; }
  legend { padding: 0; margin-block-end: 4px; font-weight: 600; }
  .note, .detail { font-size: var(--t1, 0.875em); color: var(--muted, GrayText); line-height: 1.45; }
  .note { margin: 0 0 12px; }
  .list { display: grid; gap: 8px; }
  label {
    display: grid;
    grid-template-columns: auto 1fr auto;
    align-items: center;
    gap: 2px 12px;
    min-height: 60px;
    box-sizing: border-box;
    padding: 10px 14px;
    border: 1px solid var(--line, GrayText);
    border-radius: var(--radius, 6px);
    background: var(--surface, transparent);
    cursor: pointer;
  }
  label[hidden], .missing:empty { display: none; }
  label:hover { border-color: var(--edge, currentColor); }
  label:has(:checked) { border-color: var(--accent, Highlight); box-shadow: inset 0 0 0 1px var(--accent, Highlight); }
  label:has(:focus-visible) { outline: 2px solid var(--accent, Highlight); outline-offset: 2px; }
  input { grid-row: 1 / span 2; width: 20px; height: 20px; margin: 0; accent-color: var(--accent, auto); cursor: inherit; }
  input:focus-visible { outline: none; }
  .name { grid-column: 2; font-weight: 550; }
  .detail { grid-column: 2; }
  svg { grid-column: 3; grid-row: 1 / span 2; width: 22px; height: 22px; fill: none; stroke: currentColor;
    stroke-width: 1.75; stroke-linecap: round; stroke-linejoin: round; }
  .good { color: var(--good, green); } .bad { color: var(--bad, red); } .ask, .wait { color: var(--warn, orange); }
  .missing { margin: 0; color: var(--bad, red); }
  .missing:not(:empty) { margin-block-start: 8px; }
  details { margin-block-start: 12px; }
  summary { width: fit-content; padding: 8px 0; cursor: pointer; }
  summary:focus-visible { outline: 2px solid var(--accent, Highlight); outline-offset: 2px; }
  fieldset[disabled] label { cursor: not-allowed; opacity: 0.6; }
`;
const ICONS = {
  good: "M4 12.5l5 5L20 6.5",
  bad: "M6 6l12 12M18 6L6 18",
  wait: "M12 3a9 9 0 1 0 0 18a9 9 0 1 0 0-18M12 7v5l3 2",
  ask: "M12 3l8 3v6c0 4.5-3.4 7.6-8 9-4.6-1.4-8-4.5-8-9V6zM9 12l2 2 4-4",
};

function drawIcon(kind) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("class", kind);
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", ICONS[kind]);
  svg.append(path);
  return svg;
}
