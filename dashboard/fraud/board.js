// Draws data.alerts, newest first, and sends what is marked. An alert that is on the page stays the same element, so
// nothing flickers or loses the focus; while someone reads, new ones wait behind a button instead of moving the others.
// Words come as text and are set as text.

const kept = new WeakMap(); // the component's root -> { data, items, waiting, number, asked, unless, send }
const MARKS = [["fraud", "Fraud"], ["genuine", "Genuine"], ["undo", "Undo"]];

function make(kind, className, ...inner) {
  const one = document.createElement(kind);
  if (className) one.className = className;
  one.append(...inner);
  return one;
}

function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function created(state) {
  const parts = Object.fromEntries(["percent", "amount", "who", "time", "more", "labelled", "problem"].map((name) =>
    [name, make(name === "amount" ? "strong" : "span", name)]));
  parts.bar = make("span", "fill");
  parts.reasons = make("ol", "reasons");
  parts.problem.setAttribute("role", "alert");
  const buttons = MARKS.map(([label, words]) => {
    const one = make("button", label, words);
    one.type = "button";
    one.onclick = () => mark(state, item, label);
    return one;
  });
  const bar = make("span", "bar", parts.bar);
  bar.setAttribute("aria-hidden", "true");
  const item = make("li", "",
    make("div", "score", parts.percent, bar),
    make("div", "facts", make("p", "", parts.amount, parts.who, parts.time), parts.reasons, parts.more),
    make("div", "marks", ...buttons, parts.labelled, parts.problem));
  return Object.assign(item, { parts, buttons });
}

function fill(state, item, alert) {
  const { parts, buttons } = item;
  put(parts.percent, alert.percent);
  parts.bar.style.width = `${100 * alert.score}%`;
  for (const name of ["amount", "who", "time", "more", "labelled", "problem"]) put(parts[name], alert[name]);
  if (!item.alert) parts.reasons.append(...alert.reasons.map((each) => make("li", "", each)));
  item.alert = alert;
  item.className = alert.label;
  const busy = state.waiting.some((each) => each.id === alert.id);
  item.setAttribute("aria-busy", String(busy));
  const focused = buttons.find((each) => each === item.getRootNode().activeElement);
  const about = ` transaction ${alert.id}, ${alert.amount}`;
  MARKS.forEach(([label, words], at) => {
    buttons[at].hidden = label === "undo" ? !alert.undo : Boolean(alert.label);
    buttons[at].disabled = Boolean(state.unless);
    buttons[at].title = state.unless;
    buttons[at].setAttribute("aria-label", `${words}:${about}`);
  });
  if (focused?.hidden) buttons.find((each) => !each.hidden)?.focus();
}

function mark(state, item, label) {
  if (state.waiting.some((each) => each.id === item.alert.id)) return;
  state.number = Math.max(state.number + 1, Date.now());
  state.waiting.push({ number: state.number, id: item.alert.id, label, since: item.alert.undo });
  item.setAttribute("aria-busy", "true");
  state.send(state.waiting);
}

function reading(root, list) {
  return list.matches(":hover") || list.contains(list.getRootNode().activeElement)
    || list.getBoundingClientRect().top < 0;
}

// All that were sent last, in their order; what is there already stays the same element.
function show(root, state) {
  const list = root.querySelector("ol"), data = state.data;
  const before = state.items;
  state.items = new Map(data.alerts.map((alert) => [alert.id, before.get(alert.id) ?? created(state)]));
  for (const [id, item] of before) if (!state.items.has(id)) item.remove();
  data.alerts.forEach((alert, at) => {
    const item = state.items.get(alert.id);
    fill(state, item, alert);
    if (list.children[at] !== item) list.insertBefore(item, list.children[at] ?? null);
  });
  root.querySelector(".new").hidden = true;
}

// Puts older ones, for which a label has made room, below the others, where they move nothing. How many are newer.
function added(state, list) {
  const alerts = state.data.alerts;
  const last = alerts.findLastIndex((alert) => state.items.has(alert.id));
  for (const alert of last < 0 ? [] : alerts.slice(last + 1)) {
    state.items.set(alert.id, created(state));
    list.append(state.items.get(alert.id));
  }
  return alerts.filter((alert) => !state.items.has(alert.id)).length;
}

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement;
  const state = kept.get(root) ?? { items: new Map(), waiting: [], number: 0 };
  kept.set(root, state);
  state.data = data;
  state.send = (marks) => setTriggerValue("marked", marks);
  state.unless = data.unless;
  const done = state.waiting.filter((each) => each.number <= data.done);
  state.waiting = state.waiting.filter((each) => each.number > data.done);
  const list = root.querySelector("ol"), fresh = root.querySelector(".new");
  list.setAttribute("aria-label", "Alerts, newest first");

  if (state.asked !== data.asked || !reading(root, list)) {
    show(root, state);
  } else {
    const news = added(state, list);
    for (const alert of data.alerts) if (state.items.has(alert.id)) fill(state, state.items.get(alert.id), alert);
    put(fresh, news === 1 ? "1 new alert" : `${news} new alerts`);
    fresh.hidden = news === 0;
    fresh.onclick = () => {
      show(root, state);
      list.firstElementChild.scrollIntoView({ block: "nearest" });
      list.querySelector("button:not([hidden])")?.focus({ preventScroll: true });
    };
  }
  list.onpointerleave = list.onfocusout = (event) => {
    if (event.pointerType !== "touch") setTimeout(() => !fresh.hidden && !reading(root, list) && show(root, state));
  };
  state.asked = data.asked;
  if (done.length) {
    const last = data.alerts.find((alert) => alert.id === done[done.length - 1].id);
    if (last) put(root.querySelector("[role=status]"), last.problem || last.labelled || "The label is taken back");
  }
  if (state.waiting.length) state.send(state.waiting); // a mark that a run under way has swallowed
}
