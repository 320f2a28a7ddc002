"use strict";
// The page's own behaviour. Prompts and answers are hostile text: they reach the document as text nodes and attributes only.

const report = JSON.parse(document.getElementById("data").textContent);
const one = (selector, root = document) => root.querySelector(selector);
const all = (selector, root = document) => [...root.querySelectorAll(selector)];

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "class") made.className = value;
    else if (key.startsWith("data-")) made.setAttribute(key, value);
    else made[key] = value;
  }
  made.append(...children);
  return made;
}

// --- the jobs and their axes ---

const jobs = new Map(report.jobs.map((job) => [job.key, job]));
const promptOf = (job) => report.prompts[job.prompt];

const AXES = [
  { name: "prompt", of: (job) => job.prompt_id },
  { name: "sweep", of: (job) => job.sweep },
  { name: "operation", of: (job) => job.operation },
  { name: "model", of: (job) => job.model },
  ...names("params").map((name) => ({ name, of: (job) => job.params[name] ?? "–" })),
  { name: "sample", of: (job) => String(job.sample) },
  ...names("labels").map((name) => ({ name: `label ${name}`, of: (job) => String(job.labels[name] ?? "–") })),
  { name: "cell", of: (job) => job.cell },
];

function names(field) {
  return [...new Set(report.jobs.flatMap((job) => Object.keys(job[field])))].filter((name) => !["prompt", "model"].includes(name));
}

function valuesOf(axis) {
  return [...new Set([...jobs.values()].map(axis.of))];
}

let choices = [];
const chosen = { rows: null, columns: null, only: new Map(), states: new Set(), text: "" };
const marked = [];

function measureAxes() {
  choices = AXES.map((axis) => ({ ...axis, values: valuesOf(axis) })).filter((axis) => axis.values.length > 1);
  const byName = (name) => choices.find((axis) => axis.name === name);
  chosen.rows = byName(chosen.rows?.name ?? "prompt") ?? choices[0] ?? { ...AXES[0], values: valuesOf(AXES[0]) };
  const kept = chosen.columns && chosen.columns.name !== chosen.rows.name ? byName(chosen.columns.name) : null;
  const wide = choices.filter((axis) => axis !== chosen.rows && axis.values.length <= 40 && !axis.name.startsWith("label "));
  chosen.columns = kept ?? wide[0] ?? { name: "all", of: () => "", values: [""] };
}

// --- controls ---

function drawControls() {
  for (const [id, other] of [["rows", "columns"], ["columns", "rows"]]) {
    const options = choices.map((axis) => element("option", { value: axis.name, selected: axis === chosen[id] }, axis.name));
    if (id === "columns") options.push(element("option", { value: "all", selected: chosen.columns.name === "all" }, "all together"));
    one(`#${id}`).replaceChildren(...(options.length ? options : [element("option", {}, chosen[id].name)]));
    one(`#${id}`).onchange = (event) => choose(id, other, event.target.value);
  }
  for (const name of [...chosen.only.keys()]) if (!others().some((axis) => axis.name === name)) chosen.only.delete(name);
  one("#selectors").replaceChildren(...others().map((axis) => {
    const every = element("option", { value: "" }, "all");
    const options = axis.values.map((value) => element("option", { value, selected: chosen.only.get(axis.name) === value }, value || "(empty)"));
    const select = element("select", { "data-axis": axis.name }, every, ...options);
    select.onchange = () => {
      if (select.selectedIndex === 0) chosen.only.delete(axis.name);
      else chosen.only.set(axis.name, select.value);
      draw();
    };
    return element("label", {}, `${axis.name} `, select);
  }));
  drawStates();
}

// A cell is all its parameters together, so beside them it says nothing new.
function others() {
  return choices.filter((axis) => axis !== chosen.rows && axis !== chosen.columns && axis.name !== "cell");
}

function choose(id, other, name) {
  const found = choices.find((axis) => axis.name === name) ?? { name: "all", of: () => "", values: [""] };
  if (chosen[other].name === found.name) chosen[other] = chosen[id];
  chosen[id] = found;
  drawControls();
  draw();
}

const FLAGGED = "with a claim";

function drawStates() {
  const counts = new Map();
  for (const job of jobs.values()) {
    counts.set(job.state, (counts.get(job.state) ?? 0) + 1);
    if (job.claims.length) counts.set(FLAGGED, (counts.get(FLAGGED) ?? 0) + 1);
  }
  one("#states").replaceChildren(...[...counts].map(([state, count]) => {
    const box = element("input", { type: "checkbox", value: state, checked: chosen.states.has(state) });
    box.onchange = () => {
      if (box.checked) chosen.states.add(state);
      else chosen.states.delete(state);
      draw();
    };
    return element("label", {}, box, ` ${state} ${count}`);
  }));
}

function passes(job) {
  const { states, only, text } = chosen;
  if (states.size && !states.has(job.state) && !(states.has(FLAGGED) && job.claims.length)) return false;
  for (const [name, value] of only) if (choices.find((axis) => axis.name === name).of(job) !== value) return false;
  if (!text) return true;
  const words = [promptOf(job), job.prompt_id, job.key, job.task_id, job.reason, job.detail, job.model, job.cell, job.path, ...report.tags];
  return [...words, ...Object.values(job.labels)].some((word) => word != null && String(word).toLowerCase().includes(text));
}

// --- the grid ---

let drawing = 0;
let tiles = [];
const FIRST = 24;
const CHUNK = 60;

function draw() {
  const mine = ++drawing;
  const grid = one("#grid");
  const shown = [...jobs.values()].filter(passes);
  const columns = chosen.columns.values.filter((value) => shown.some((job) => chosen.columns.of(job) === value));
  const rows = new Map();
  for (const job of shown) {
    const name = chosen.rows.of(job);
    if (!rows.has(name)) rows.set(name, new Map(columns.map((value) => [value, []])));
    rows.get(name).get(chosen.columns.of(job)).push(job);
  }
  one("#shown").value = `${shown.length.toLocaleString("en")} of ${jobs.size.toLocaleString("en")} shown`;
  grid.style.setProperty("--columns", Math.max(1, columns.length));
  tiles = [];
  const heads = columns.map((value) => element("div", { class: "head", dir: "auto" }, value === "" ? "pictures" : value));
  grid.replaceChildren(element("div", { class: "row top" }, element("div", { class: "legend-cell head", dir: "auto" }, chosen.rows.name), ...heads));
  const waiting = [...rows];
  const more = (count) => {
    if (mine !== drawing) return;
    grid.append(...waiting.splice(0, count).map(([name, cells]) => rowOf(name, cells)));
    if (waiting.length) setTimeout(() => more(CHUNK));
    else grid.dataset.ready = mine;
  };
  delete grid.dataset.ready;
  more(FIRST);
}

function rowOf(name, cells) {
  const first = [...cells.values()].flat()[0];
  const legend = element("div", { class: "legend-cell" });
  if (chosen.rows.name === "prompt") legend.append(element("small", { dir: "auto" }, name), element("p", { dir: "auto", title: promptOf(first) }, promptOf(first)));
  else legend.append(element("p", { dir: "auto" }, name));
  return element("div", { class: "row" }, legend, ...[...cells.values()].map((some) => element("div", { class: "cell" }, ...some.map(tileOf))));
}

function tileOf(job) {
  const tile = element("button", { type: "button", class: `tile ${job.state}`, "data-key": job.key });
  fill(tile, job);
  tiles.push(tile);
  return tile;
}

function fill(tile, job) {
  tile.className = `tile ${job.state}${marked.includes(job.key) ? " marked" : ""}`;
  tile.title = `${promptOf(job)}\n${job.cell}${job.reason ? `\n${job.state}: ${job.reason}` : ""}`;
  const source = job.thumb ?? job.source;
  const picture = source && !isVideo(job)
    ? element("img", { loading: "lazy", decoding: "async", src: source, alt: promptOf(job) })
    : element("span", { class: "word", dir: "auto" }, wordOf(job));
  tile.replaceChildren(picture);
  const varying = others().filter((axis) => !chosen.only.has(axis.name)).map((axis) => axis.of(job));
  if (varying.length) tile.append(element("span", { class: "caption", dir: "auto" }, varying.join(" · ")));
  if (job.claims.length) tile.append(element("span", { class: "flag" }, job.claims.map((kind) => kind.replaceAll("_", " ")).join(", ")));
}

const isVideo = (job) => /\.(mp4|webm)$/i.test(job.path ?? "");

function wordOf(job) {
  if (job.source) return "video";
  return job.reason ? `${job.state}: ${job.reason}${job.detail ? ` – ${job.detail}` : ""}` : job.state;
}

one("#grid").addEventListener("click", (event) => {
  const tile = event.target.closest(".tile");
  if (tile) open(tile.dataset.key);
});

// --- one picture ---

let opened = null;

function open(key) {
  opened = key;
  const job = jobs.get(key);
  const stage = one("#viewer .stage");
  stage.classList.remove("actual");
  stage.replaceChildren(stageOf(job));
  one("#viewer .card").replaceChildren(...cardOf(job));
  one('#viewer [data-do="mark"]').textContent = marked.includes(key) ? "Marked" : "Mark to compare";
  if (!one("#viewer").open) one("#viewer").showModal();
}

function stageOf(job) {
  const source = job.source ?? job.thumb;
  if (!source) return element("p", { class: "note cause", dir: "auto" }, wordOf(job));
  if (isVideo(job)) return element("video", { src: source, controls: true, preload: "metadata" });
  const picture = element("img", { src: source, alt: promptOf(job) });
  picture.onclick = () => picture.parentElement.classList.toggle("actual");
  return picture;
}

function factsOf(job) {
  const when = (instant) => (instant ? instant.replace("T", " ").replace(/\.\d+Z$/, " UTC") : "");
  return [
    ["state", job.state], ["cause", [job.reason, job.detail].filter(Boolean).join(" – ")], ["claims", job.claims.join(", ")],
    ["model", job.model], ["operation", job.operation], ...Object.entries(job.params).filter(([name]) => !["prompt", "model"].includes(name)),
    ...Object.entries(job.labels).map(([name, value]) => [`label ${name}`, String(value)]),
    ["prompt id", job.prompt_id], ["sweep", job.sweep], ["cell", job.cell], ["sample", String(job.sample)],
    ["cost", job.cost === null ? "" : `${job.cost} ${report.unit}`], ["orders", String(job.attempts)], ["task", job.task_id],
    ["pixels", job.width ? `${job.width} × ${job.height}` : ""], ["bytes", job.bytes ? job.bytes.toLocaleString("en") : ""],
    ["credentials", job.credentials !== null ? (job.credentials ? "C2PA present (not verified)" : "none") : ""],
    ["planned", when(job.planned_at)], ["accepted", when(job.submitted_at)], ["saved", when(job.saved_at)],
    ["file", job.path], ["sha256", job.sha256], ["key", job.key],
  ].filter(([, value]) => value);
}

function cardOf(job, other = null) {
  const theirs = other && new Map(factsOf(other));
  const list = element("dl", { class: "facts-list" });
  for (const [name, value] of factsOf(job)) {
    const differs = theirs && theirs.get(name) !== value ? "differs" : "";
    list.append(element("dt", {}, name), element("dd", { class: differs, dir: "auto" }, value));
  }
  return [element("p", { class: "prompt", dir: "auto" }, promptOf(job)), list];
}

function step(by) {
  const keys = tiles.map((tile) => tile.dataset.key);
  const next = keys[keys.indexOf(opened) + by];
  if (next) open(next);
}

one("#viewer .buttons").addEventListener("click", (event) => {
  const word = event.target.dataset.do;
  if (word === "previous") step(-1);
  if (word === "next") step(1);
  if (word === "mark") mark(opened);
});
one("#viewer").addEventListener("close", () => {
  one("#viewer .stage").replaceChildren();
  tileWith(opened)?.focus();
});

// --- two pictures ---

function mark(key) {
  const at = marked.indexOf(key);
  if (at >= 0) marked.splice(at, 1);
  else marked.push(key);
  if (marked.length > 2) marked.shift();
  for (const tile of tiles) tile.classList.toggle("marked", marked.includes(tile.dataset.key));
  one("#compare").disabled = marked.length !== 2;
  if (one("#viewer").open) one('#viewer [data-do="mark"]').textContent = marked.includes(key) ? "Marked" : "Mark to compare";
  if (marked.length === 2 && at < 0) compare();
}

function compare() {
  const [left, right] = marked.map((key) => jobs.get(key));
  one("#viewer").close();
  one("#pair .sides").replaceChildren(...[[left, right], [right, left]].map(([job, other]) =>
    element("div", { class: "side" }, element("div", { class: "stage" }, stageOf(job)), element("div", { class: "card" }, ...cardOf(job, other)))));
  one("#pair").showModal();
}

one("#compare").onclick = compare;

// --- keys ---

const tileWith = (key) => tiles.find((tile) => tile.dataset.key === key);

function move(tile, key) {
  const at = tiles.indexOf(tile);
  if (key === "ArrowLeft") return tiles[at - 1];
  if (key === "ArrowRight") return tiles[at + 1];
  const cell = tile.parentElement;
  const index = [...cell.parentElement.children].indexOf(cell);
  let row = cell.parentElement;
  do row = key === "ArrowDown" ? row.nextElementSibling : row.previousElementSibling;
  while (row && !one(".tile", row));
  return row && (one(".tile", row.children[index] ?? row) ?? one(".tile", row));
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || one("#pair").open || one("#help").open) return;
  const isTyping = ["INPUT", "SELECT"].includes(event.target.tagName);
  if (one("#viewer").open) {
    if (event.key === "ArrowLeft") step(-1);
    if (event.key === "ArrowRight") step(1);
    if (event.key === "c") mark(opened);
  } else if (event.key === "/" && !isTyping) {
    event.preventDefault();
    one("#text").focus();
  } else if (event.key === "?" && !isTyping) {
    one("#help").showModal();
  } else if (event.target.classList.contains("tile")) {
    if (event.key === "c") mark(event.target.dataset.key);
    const next = event.key.startsWith("Arrow") && move(event.target, event.key);
    if (next) {
      event.preventDefault();
      next.focus();
    }
  }
});

// --- the page around it ---

function show(panel) {
  for (const button of all("nav button")) button.setAttribute("aria-pressed", String(button.dataset.panel === panel));
  for (const section of all("main > section")) section.hidden = section.id !== panel;
}

for (const button of all("nav button")) button.onclick = () => show(button.dataset.panel);
one("#help-button").onclick = () => one("#help").showModal();
one("#controls").onsubmit = (event) => event.preventDefault();
one("#size").oninput = (event) => document.documentElement.style.setProperty("--cell", `${event.target.value}px`);
let typing = 0;
one("#text").oninput = (event) => {
  clearTimeout(typing);
  typing = setTimeout(() => {
    chosen.text = event.target.value.toLowerCase();
    draw();
  }, 120);
};
document.addEventListener("click", (event) => {
  const key = event.target.closest(".key")?.dataset.key;
  if (key && jobs.has(key)) open(key);
});

measureAxes();
drawControls();
show("pictures");
draw();

// --- a run that goes on ---

async function follow() {
  try {
    const answer = await fetch(`news?since=${report.cursor}`, { cache: "no-store" });
    if (!answer.ok) throw new Error(String(answer.status));
    take(await answer.json());
  } catch {
    one("#headline").textContent = "batchgen report --live has ended; this is what was last known";
  }
  setTimeout(follow, report.every_s * 1000);
}

function placeOf(prompt) {
  const at = report.prompts.indexOf(prompt);
  return at >= 0 ? at : report.prompts.push(prompt) - 1;
}

function take(news) {
  report.cursor = news.cursor;
  one("#headline").textContent = news.headline;
  one("#night").innerHTML = news.night; // these two were made and escaped where the page itself was
  one("#claims").innerHTML = news.claims;
  one("#claim-count").textContent = news.claim_count;
  let isNew = false;
  for (const job of news.jobs) {
    if (!jobs.has(job.key)) isNew = true;
    job.prompt = placeOf(job.prompt);
    jobs.set(job.key, job);
    const tile = tileWith(job.key);
    if (tile) fill(tile, job);
  }
  if (!news.jobs.length) return;
  if (isNew) {
    measureAxes();
    drawControls();
    draw();
  } else {
    drawStates();
    if (chosen.states.size) draw();
  }
}

if (report.every_s) setTimeout(follow, report.every_s * 1000);
