// Draws data.nodes (buttons) over data.edges (an SVG's paths); a click, or Enter on a node, sends its name.
// Names and states come as text and are set as text.

const SVG = "http://www.w3.org/2000/svg";
const STRAIGHT = 6; // pixels before and after a bend

function make(kind, attributes, ...inner) {
  const one = kind === "svg" || kind === "path" || kind === "marker" || kind === "title"
    ? document.createElementNS(SVG, kind)
    : document.createElement(kind);
  for (const [name, value] of Object.entries(attributes)) one.setAttribute(name, value);
  one.append(...inner);
  return one;
}

function curve(points) {
  let path = `M ${points[0][0]} ${points[0][1]}`;
  for (let i = 1; i < points.length; i++) {
    const [[fromX, fromY], [x, y]] = [points[i - 1], points[i]];
    const middle = (fromY + y) / 2;
    path += fromX === x
      ? ` L ${x} ${y}`
      : ` L ${fromX} ${fromY + STRAIGHT} C ${fromX} ${middle} ${x} ${middle} ${x} ${y - STRAIGHT} L ${x} ${y}`;
  }
  return path;
}

function line(edge) {
  const classes = ["edge", edge.dim && "dim", edge.near && "near"].filter(Boolean).join(" ");
  return make("path", { d: curve(edge.points), class: classes, "marker-end": `url(#${edge.near ? "near" : "far"})` });
}

function tip(id) {
  const shape = make("path", { d: "M 0 0 L 8 4 L 0 8 z", class: id });
  return make("marker", { id, viewBox: "0 0 8 8", refX: 7, refY: 4, markerUnits: "userSpaceOnUse",
    markerWidth: 9, markerHeight: 9, orient: "auto" }, shape);
}

function label(edge) {
  const [x, y] = edge.points[edge.points.length - 1];
  const one = make("span", { class: "label", "aria-hidden": "true" }, edge.label);
  one.style.left = `${x}px`;
  one.style.top = `${y - 15}px`;
  return one;
}

function button(node, choose) {
  const icon = make("span", { class: "icon", "aria-hidden": "true" }, node.icon);
  const name = make("span", { class: "name" }, node.title);
  const more = make("span", { class: "more" }, node.more);
  const attributes = { type: "button", class: `node ${node.colour}${node.dim ? " dim" : ""}`, title: node.said,
    "aria-label": node.said, "aria-pressed": String(node.chosen), "data-step": node.name };
  const one = make("button", attributes, icon, make("span", { class: "text" }, name, more));
  one.style.left = `${node.x}px`;
  one.style.top = `${node.y}px`;
  one.style.width = `${node.width}px`;
  one.style.height = `${node.height}px`;
  one.onclick = () => choose(node.name);
  return one;
}

function reveal(scroll, node) {
  const hidden = node && (node.x < scroll.scrollLeft || node.x + node.width > scroll.scrollLeft + scroll.clientWidth);
  if (hidden) scroll.scrollLeft = node.x - (scroll.clientWidth - node.width) / 2;
}

export default function ({ data, parentElement, setTriggerValue }) {
  const focused = parentElement.activeElement?.dataset?.step;
  let scroll = parentElement.querySelector(".scroll");
  const first = !scroll;
  if (first) {
    scroll = make("div", { class: "scroll" });
    parentElement.append(scroll);
  }
  const size = { width: data.width, height: data.height };
  const lines = make("svg", { ...size, "aria-hidden": "true" }, tip("far"), tip("near"), ...data.edges.map(line));
  const buttons = data.nodes.map((node) => button(node, (name) => setTriggerValue("chosen", name)));
  const canvas = make("div", { class: "canvas", role: "group", "aria-label": data.alt }, lines,
    ...data.edges.filter((edge) => edge.label).map(label), ...buttons);
  canvas.style.width = `${data.width}px`;
  canvas.style.height = `${data.height}px`;
  scroll.replaceChildren(canvas);
  reveal(scroll, data.nodes.find((node) => node.chosen) ?? (first ? data.nodes[0] : undefined));
  buttons.find((one) => one.dataset.step === focused)?.focus({ preventScroll: true });
}
