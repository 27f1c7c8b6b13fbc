// The status page: asks once, follows the ticks, and asks again after a pause.

import { byId, h, say, set } from "./dom.js";
import { Past, amount, ask, clock, lasting } from "./data.js";
import { Chart } from "./chart.js";
import { Containers } from "./containers.js";

let status, past = new Past("15m");
let news = 0; // when the daemon was heard last
let stream, opened = false, syncing = false, again = false, wanted = false;
const charts = new Map();
const containers = new Containers(explainContainer);

// Explanations.

function show(title, text) {
  const dialog = byId("explanation");
  say(byId("h-explanation"), title);
  say(dialog.querySelector("pre"), text);
  if (!dialog.open) dialog.showModal();
}

async function explain(title, path, known = "") {
  show(title, known || "…");
  let text;
  try {
    text = (await ask("explain/" + path)).text;
  } catch (err) {
    text = (known && known + "\n\n") + err.message;
  }
  if (byId("h-explanation").textContent === title) say(byId("explanation").querySelector("pre"), text);
}

function explainEvents(events) {
  const [e] = events;
  if (events.length === 1 && e.kind.endsWith("kill")) return explain("Why was it killed?", "kill/" + encodeURIComponent(e.container), e.text);
  const title = events.length === 1 ? "What happened" : events.length + " at about " + clock(e.at);
  show(title, events.map((e) => clock(e.at) + "  " + e.text).join("\n\n"));
}

function explainContainer(c) {
  const facts = [
    "container " + c.id,
    c.executor && "executor " + c.executor,
    c.framework && "framework " + c.framework,
    c.x?.role && "role " + c.x.role,
    ...(c.x?.tasks ?? []).map((t) => "task " + t.id + (t.name && t.name !== t.id ? " (" + t.name + ")" : "")),
    ...c.labels.map((l) => "label " + l), ...c.applied.map((a) => "applied: " + a),
  ].filter(Boolean).join("\n");
  if (c.class !== "revocable") {
    const what = c.class === "unknown" ? "The agent does not list it" : "It is " + c.class;
    return show(c.name, facts + "\n\n" + what + ": it is never throttled, frozen or killed.");
  }
  explain(c.name, "why-not/" + encodeURIComponent(c.id), facts);
}

// Drawing.

function drawAnswer(now) {
  const d = status.daemon, t = status.tick;
  say(byId("summary"), status.words.summary);
  set(byId("summary"), "data-level", status.words.level);
  document.title = { good: "✓", notice: "●", bad: "✕" }[status.words.level] + " estimatord " + location.host;
  const agent = t?.agent ? "agent " + t.agent + ", heard " + lasting(t.usage_age_s ?? 0) + " ago" : "no agent yet";
  const b = t?.qos.budget;
  say(byId("daemon"), [
    location.host, d.version, "mode " + d.mode, "settings " + (d.config_hash ?? "–"), "policy " + (status.policy?.hash ?? "none"),
    b && `kill budget ${b.left} left of ${b.left + b.used}`, agent, "up " + lasting(now - Date.parse(d.started) / 1000),
  ].filter(Boolean).join(" · "));
}

/** What keeps an offer from being more, the first to look at first. */
function whyNoMore(words) {
  const texts = (words?.causes ?? []).slice(0, 3).map((c) => c.text);
  return texts.length ? "Why not more: " + texts.join("; ") + "." : words?.why ?? "";
}

function drawCharts(now) {
  const offers = status.tick?.offer.resources ?? [];
  offers.forEach((o, i) => {
    if (!past.resources[o.resource]) return;
    let chart = charts.get(o.resource);
    if (!chart) {
      chart = new Chart(o.resource, () => explain("Why is this much offered?", "offer"), explainEvents);
      charts.set(o.resource, chart);
      byId("charts").append(chart.figure);
    }
    const allocated = amount(o.resource, o.revocable_allocated ?? 0) + " allocated as revocable. ";
    say(chart.why, amount(o.resource, o.offered) + " offered, " + allocated + whyNoMore(status.words.offers[i]));
    chart.draw(past, now);
  });
}

function drawRules(now) {
  const q = status.tick?.qos;
  const all = [...(q?.rules ?? []), ...(q?.shadow?.rules ?? [])];
  const body = byId("rules").tBodies[0];
  if (!all.length) return body.replaceChildren(h("tr", {}, h("td", { colspan: 5 }, "No rule: nothing is ever taken back.")));
  if (body.rows.length !== all.length || body.rows[0].cells.length < 5) {
    const cell = (label, ...children) => h("td", { role: "cell", "data-label": label, class: children.length ? null : "number" }, ...children);
    const line = () => h("tr", { role: "row" }, h("th", { scope: "row", role: "rowheader" }),
      cell("Reads", ""), cell("Reading"), cell("Threshold"), cell("State", h("span", {}), h("small", {})));
    body.replaceChildren(...all.map(line));
  }
  all.forEach((r, i) => {
    const w = status.words.rules[i], cells = body.rows[i].cells;
    say(cells[0], r.name);
    say(cells[1], r.signal);
    say(cells[2], w.reads);
    say(cells[3], "above " + w.above);
    const [badge, text] = cells[4].children;
    say(badge, w.state);
    set(badge, "class", "badge " + (r.active ? "bad" : r.exceeded || r.why === "blind" ? "notice" : r.why === "calm" ? "good" : ""));
    say(text, "asks for " + r.action.replace("_", " ") + ". " + w.text);
  });
  const steps = (q.ladders ?? []).filter((l) => l.rung !== "none" || l.wanted !== "none");
  say(byId("ladders"), steps.map((l) => {
    const since = l.since ? " for " + lasting(Math.max(0, now - Date.parse(l.since) / 1000)) : "";
    return `The ${l.resource} ladder stands at ${l.rung.replace("_", " ")}${since}${l.rule ? ", rule " + l.rule : ""}.`;
  }).join(" "));
}

/** A kill as an event: the daemon remembers it when the window is shorter. */
function asEvent(k) {
  const task = k.tasks?.[0];
  const text = "Task " + (task?.name || task?.id || k.executor_id) + " is killed. Rule " + (k.text ?? "");
  return { at: k.at, seq: k.seq, kind: k.shadow ? "shadow_kill" : "kill", container: k.id, text };
}

const listed = {
  kills: ["kill", "shadow_kill", "gone"],
  ladder: ["ladder", "rule", "budget", "pause", "policy"],
  offer: ["offer"],
};

function feed(kind) {
  const said = new Set(past.events.filter((e) => e.kind.endsWith("kill")).map((e) => e.container + e.seq));
  const older = status.kills.filter((k) => !said.has(k.id + k.seq)).map(asEvent);
  return [...older, ...past.events].reverse().filter((e) => listed[kind]?.includes(e.kind) ?? true)
    .sort((a, b) => Date.parse(b.at) - Date.parse(a.at)).slice(0, 100);
}

let fed = "";
function drawFeed() {
  const kind = document.querySelector("[name=kinds]:checked").value;
  const events = feed(kind);
  const state = kind + JSON.stringify([events[0], events.length, status.kills.length]);
  if (state === fed) return; // so that focus and selection stay
  fed = state;
  byId("feed").replaceChildren(...events.map((e) => {
    const day = new Date(e.at).toLocaleDateString([], { month: "short", day: "numeric" });
    const why = h("button", { type: "button", onclick: () => explainEvents([e]), "aria-label": "Why? " + e.text }, "Why?");
    return h("li", { "data-kind": e.kind },
      h("time", { datetime: e.at, title: e.at }, day + " " + clock(e.at)),
      h("span", {}, h("span", { class: "badge " + (e.kind === "kill" ? "bad" : "") }, e.kind.replace("_", " "))),
      h("p", {}, e.text),
      e.kind.endsWith("kill") ? why : null);
  }));
}

function draw() {
  wanted = false;
  if (!status || document.hidden) return;
  const now = status.tick ? Date.parse(status.tick.at) / 1000 : Date.now() / 1000;
  drawAnswer(now);
  drawCharts(now);
  drawRules(now);
  containers.draw(past);
  drawFeed();
}

function redraw() {
  if (!wanted) requestAnimationFrame(draw);
  wanted = true;
}

// Following.

function heard() {
  news = Date.now();
  say(byId("link"), "");
}

/** Asks for everything; of calls in a row the last one counts. */
async function sync() {
  if (syncing) { again = true; return; }
  syncing = true;
  const span = document.querySelector("[name=window]:checked").value;
  try {
    const [st, history] = await Promise.all([ask("status"), ask("history?window=" + span)]);
    const sparks = past.sparks;
    past = new Past(span);
    past.sparks = sparks;
    past.load(history);
    status = st;
    containers.load(st);
    heard();
    redraw();
  } catch (err) {
    say(byId("link"), "The daemon does not answer: " + err.message);
    setTimeout(sync, 2000);
  }
  syncing = false;
  if (again) { again = false; sync(); }
}

let refreshing = false;
async function refresh() {
  if (refreshing) return;
  refreshing = true;
  setTimeout(() => { refreshing = false; }, 2000);
  try {
    status = await ask("status");
    containers.load(status);
    redraw();
  } catch { /* the stream tells soon enough */ }
}

function take(update) {
  heard();
  const last = status?.tick;
  const restarted = update.tick.run !== last?.run;
  if (restarted || Date.parse(update.tick.at) - Date.parse(last.at) > 30000) return sync(); // or it slept
  status.tick = update.tick;
  status.words = update.words;
  past.add(update.history);
  containers.add(update.history.containers);
  if (update.revision !== status.revision) refresh();
  redraw();
}

function follow() {
  stream?.close();
  stream = new EventSource("api/v1/events");
  stream.addEventListener("open", () => { if (opened) sync(); opened = true; });
  stream.addEventListener("tick", (e) => take(JSON.parse(e.data)));
  stream.addEventListener("dropped", (e) => say(byId("link"), "The daemon has ended the stream: " + JSON.parse(e.data).error));
}

let watched = Date.now(), hidden = 0;
setInterval(() => {
  const now = Date.now();
  const slept = now - watched > 10000;
  watched = now;
  if (document.hidden) { // nobody looks: the daemon need not work
    hidden++;
    if (hidden === 60) stream.close();
    return;
  }
  if (hidden >= 60 || slept) { follow(); sync(); }
  hidden = 0;
  if (!news || now - news < 10000) return;
  const text = "No news from the daemon since " + clock(news) + ": what is below is old.";
  say(byId("summary"), text);
  set(byId("summary"), "data-level", "bad");
  if (stream.readyState === EventSource.CLOSED) follow();
}, 1000);

for (const radio of document.querySelectorAll("[name=window]")) radio.addEventListener("change", sync);
for (const radio of document.querySelectorAll("[name=kinds]")) radio.addEventListener("change", redraw);
document.addEventListener("visibilitychange", redraw);
sync();
follow();
