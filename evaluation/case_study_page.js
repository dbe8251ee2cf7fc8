// Draws each chart as it comes into view, in the colours of light or dark paper. Nothing is fetched: plotly.js and the
// charts lie in this page, the first gzipped.
"use strict";
const byId = (id) => document.getElementById(id);
const charts = JSON.parse(byId("charts").textContent);
const dark = matchMedia("(prefers-color-scheme: dark)");
const hosts = [...document.querySelectorAll("[data-chart]")];
let ready = null;

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

function themed(value) {
  if (Array.isArray(value)) return value.map(themed);
  if (value && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, themed(each)]));
  }
  return typeof value === "string" && /^@[a-z]+$/.test(value) ? colour(value.slice(1)) : value;
}

function layout(own, width) {
  const ink = colour("ink"), edge = colour("line");
  const axis = { gridcolor: edge, zerolinecolor: colour("edge"), linecolor: colour("edge"), automargin: true };
  const title = { standoff: 10, font: { size: 12 } };
  const merged = (each) => ({ ...axis, ...each, title: { ...title, ...each.title } });
  return {
    ...own,
    xaxis: merged(own.xaxis), yaxis: merged(own.yaxis),
    autosize: true, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: { color: ink, size: 12, family: getComputedStyle(document.body).fontFamily },
    margin: { l: 40, r: 12, t: 10, b: 24 },
    legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom", traceorder: "normal", font: { size: 12 } },
    hoverlabel: { font: { size: 12 } },
    dragmode: width < 600 ? false : "zoom", // on a phone a finger scrolls the page
  };
}

// Numbers in cells stay where they fit.
function fitted(data, width) {
  const crowded = (trace) => trace.type === "heatmap" && width / (trace.x.length + 2) < 36;
  return data.map((trace) => (crowded(trace) ? { ...trace, texttemplate: "" } : trace));
}

async function plotly() {
  const packed = Uint8Array.from(atob(byId("plotly").textContent), (each) => each.charCodeAt(0));
  const code = await new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
  const script = document.createElement("script");
  script.textContent = code;
  document.head.append(script);
  byId("plotly").remove();
}

async function draw(host) {
  ready ??= plotly();
  await ready;
  const { data, layout: own } = themed(charts[host.dataset.chart]);
  await Plotly.react(host, fitted(data, host.clientWidth), layout(own, innerWidth), { responsive: true, displaylogo: false, displayModeBar: false });
  host.dataset.drawn = "yes";
}

const seen = new IntersectionObserver((entries) => {
  for (const entry of entries.filter((each) => each.isIntersecting)) {
    seen.unobserve(entry.target);
    draw(entry.target).catch((error) => { entry.target.textContent = `This chart needs a newer browser (${error.message}).`; });
  }
}, { rootMargin: "600px" });
hosts.forEach((host) => seen.observe(host));
dark.addEventListener("change", () => hosts.filter((host) => host.dataset.drawn).forEach(draw));
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((each) => { each.open = true; }));
if (innerWidth <= 960) document.querySelector("nav details").open = false;
