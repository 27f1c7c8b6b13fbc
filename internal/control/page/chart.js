// One resource of the node over time, as stacked areas.

import { h, s, say, set } from "./dom.js";
import { amount, clock } from "./data.js";

// The areas from below, each with what it adds to those below it.
const areas = [
  { name: "regular", title: "regular use", of: (r, i) => r.regular_usage[i] },
  { name: "peak", title: "up to the predicted peak", of: headroom, shown: (r, i) => r.regular_predicted_peak[i] },
  { name: "revocable", title: "revocable use", of: (r, i) => r.revocable_usage[i] },
  { name: "offered", title: "offered", of: (r, i) => r.offered[i] },
];
function headroom(r, i) {
  return Math.max(0, (r.regular_predicted_peak[i] ?? 0) - (r.regular_usage[i] ?? 0));
}

const names = { cpus: "CPU", mem: "Memory" };
// Times on the axis are multiples of one of these, in seconds.
const spans = [15, 30, 60, 180, 300, 600, 1200, 3600, 7200, 14400, 28800];
const left = 44, bottom = 20, top = 36, buckets = 300;

/** Round numbers up to most, some four of them. */
function ticks(most) {
  const raw = most / 4, unit = 10 ** Math.floor(Math.log10(raw));
  const step = unit * [1, 2, 5, 10].find((m) => m * unit >= raw);
  return Array.from({ length: Math.floor(most / step) + 1 }, (_, i) => i * step);
}

export class Chart {
  /** explainOffer and explainEvents show an explanation. */
  constructor(resource, explainOffer, explainEvents) {
    this.resource = resource;
    this.explainEvents = explainEvents;
    this.marks = new Map();
    const title = names[resource] ?? resource;
    this.why = h("p", {});
    this.when = h("p", { class: "unseen", role: "status" });
    this.areas = areas.map((a) => s("path", { class: "area " + a.name }));
    this.capacity = s("path", { class: "capacity" });
    this.grid = s("g", { "aria-hidden": "true" });
    this.cursor = s("line", { class: "cursor", y1: top, visibility: "hidden" });
    this.lane = s("g", {});
    const hint = " over time. Left and right move through time; marks of kills and ladder steps explain themselves.";
    this.svg = s("svg", { role: "group", tabindex: "0", "aria-label": title + hint,
      onpointermove: (e) => this.point(e.clientX - this.svg.getBoundingClientRect().left),
      onpointerleave: () => this.point(null),
      onblur: () => this.point(null),
      onkeydown: (e) => this.key(e),
    }, this.grid, ...this.areas, this.capacity, this.cursor, this.lane);
    this.values = {};
    const entry = (name, text) => {
      this.values[name] = h("dd", {});
      return h("div", {}, h("span", { class: "swatch " + name, "aria-hidden": "true" }), h("dt", {}, text), this.values[name]);
    };
    const ask = h("button", { type: "button", onclick: explainOffer, "aria-label": "Why is this much " + title + " offered?" }, "Why?");
    const legend = h("dl", { class: "legend" }, ...areas.map((a) => entry(a.name, a.title)),
      entry("capacity", "capacity"), entry("kill", "kill"), entry("ladder", "ladder step"));
    this.figure = h("figure", { class: "chart" }, h("figcaption", {}, h("h3", {}, title), ask, this.why), this.svg, legend, this.when);
    new ResizeObserver(() => this.redraw()).observe(this.svg);
  }

  /** Draws what is known up to now, in seconds since 1970. */
  draw(past, now) {
    this.past = past;
    this.now = now;
    this.redraw();
  }

  redraw() {
    const r = this.past?.resources[this.resource];
    const width = this.svg.clientWidth, height = this.svg.clientHeight;
    if (!r || !width) return;
    const { at } = this.past;
    // A daemon that was started lately has no past that would be worth the room.
    const seconds = Math.min(this.past.seconds, Math.max(60, this.now - at[0]));
    const from = this.now - seconds;
    this.seconds = seconds;
    this.x = (t) => left + ((t - from) / seconds) * (width - left);
    this.first = at.findIndex((t) => t >= from);
    const columns = this.columns(r, from);
    const most = Math.max(1e-9, ...columns.map((c) => Math.max(c.capacity ?? 0, c.tops.at(-1))));
    const y = (v) => height - bottom - (v / most) * (height - bottom - top);
    areas.forEach((_, k) => set(this.areas[k], "d", this.area(columns, k, y)));
    set(this.capacity, "d", this.line(columns, y));
    this.drawGrid(most, y, from, width, height);
    this.drawMarks(width);
    set(this.cursor, "y2", height - bottom);
    this.legend(r);
  }

  /** The means of what is known in each narrow strip; a strip knows if there is none before it. */
  columns(r, from) {
    const { at } = this.past, { seconds } = this;
    const out = [];
    let begin = this.first < 0 ? at.length : this.first;
    const usual = (at.at(-1) - (at.at(-20) ?? at[0])) / Math.min(19, at.length - 1 || 1);
    const gap = Math.max(5, 2.5 * usual, (3 * seconds) / buckets);
    let before = -Infinity;
    while (begin < at.length) {
      const strip = Math.floor(((at[begin] - from) / seconds) * buckets);
      let end = begin;
      while (end < at.length && Math.floor(((at[end] - from) / seconds) * buckets) === strip) end++;
      const mean = (of) => {
        let sum = 0, n = 0;
        for (let i = begin; i < end; i++) {
          const v = of(r, i);
          if (v == null) continue;
          sum += v;
          n++;
        }
        return n ? sum / n : null;
      };
      let sum = 0;
      const tops = areas.map((a) => (sum += mean(a.of) ?? 0));
      out.push({ t: at[end - 1], tops, capacity: mean((r, i) => r.capacity[i]), anew: at[begin] - before > gap });
      before = at[end - 1];
      begin = end;
    }
    return out;
  }

  area(columns, k, y) {
    const base = (c) => (k ? c.tops[k - 1] : 0);
    let d = "", back = "";
    for (const c of columns) {
      const x = this.x(c.t).toFixed(1);
      if (c.anew) { d += back && back + "Z"; back = ""; }
      d += (back ? "L" : "M") + x + " " + y(c.tops[k]).toFixed(1);
      back = "L" + x + " " + y(base(c)).toFixed(1) + back;
    }
    return d + (back && back + "Z");
  }

  line(columns, y) {
    let d = "", drawing = false;
    for (const c of columns) {
      if (c.capacity == null) { drawing = false; continue; }
      d += (drawing && !c.anew ? "L" : "M") + this.x(c.t).toFixed(1) + " " + y(c.capacity).toFixed(1);
      drawing = true;
    }
    return d;
  }

  label(v, most) {
    return this.resource === "mem" && most >= 10240 ? (v / 1024).toFixed(0) + " GiB" : String(+v.toFixed(2));
  }

  drawGrid(most, y, from, width, height) {
    const parts = ticks(most).flatMap((v) => [
      s("line", { class: "grid", x1: left, x2: width, y1: y(v), y2: y(v) }),
      s("text", { x: left - 6, y: y(v) + 4, "text-anchor": "end" }, this.label(v, most)),
    ]);
    const every = spans.find((m) => (m / this.seconds) * width > 90) ?? spans.at(-1);
    for (let t = Math.ceil(from / every) * every; t < this.now - every / 4; t += every) {
      parts.push(s("text", { x: this.x(t), y: height - 4, "text-anchor": "middle" }, clock(t * 1000).slice(0, every < 60 ? 8 : 5)));
    }
    this.grid.replaceChildren(...parts);
  }

  /** Marks that would lie on each other are one. One that has the focus keeps it. */
  drawMarks(width) {
    const groups = new Map();
    const from = this.now - this.seconds;
    const seen = { kill: 0, ladder: 0 };
    let last = {};
    for (const e of this.past.events) {
      const kind = e.kind === "kill" || e.kind === "shadow_kill" ? "kill" : e.kind === "ladder" && e.resource === this.resource ? "ladder" : null;
      const t = Date.parse(e.at) / 1000;
      if (!kind || t < from) continue;
      seen[kind]++;
      const x = this.x(t);
      if (last[kind] && x - last[kind].x < 11) { last[kind].events.push(e); continue; }
      last[kind] = { x, kind, events: [e] };
      groups.set(kind + e.seq + e.container, last[kind]);
    }
    for (const [key, mark] of this.marks) if (!groups.has(key)) { mark.remove(); this.marks.delete(key); }
    for (const [key, g] of groups) {
      let mark = this.marks.get(key);
      if (!mark) {
        const open = () => this.explainEvents(mark.events);
        mark = s("path", { class: "mark " + g.kind, role: "button", tabindex: "0", onclick: open,
          d: g.kind === "kill" ? "M-8 -7H8L0 8Z" : "M0 -8L7 0L0 8L-7 0Z",
          onkeydown: (e) => {
            if (e.key !== "Enter" && e.key !== " ") return;
            e.preventDefault();
            open();
          },
        }, s("title", {}));
        this.marks.set(key, mark);
        this.lane.append(mark);
      }
      mark.events = g.events;
      const text = (g.events.length > 1 ? g.events.length + (g.kind === "kill" ? " kills: " : " ladder steps: ") : "") + g.events[0].text;
      set(mark, "aria-label", text);
      say(mark.firstChild, text);
      set(mark, "transform", `translate(${Math.min(g.x, width - 8).toFixed(1)} ${g.kind === "kill" ? 9 : 26})`);
    }
    say(this.values.kill, String(seen.kill));
    say(this.values.ladder, String(seen.ladder));
  }

  /** The values at the cursor, else the newest. */
  legend(r) {
    const i = this.index ?? this.past.at.length - 1;
    for (const a of areas) say(this.values[a.name], amount(this.resource, (a.shown ?? a.of)(r, i)));
    say(this.values.capacity, amount(this.resource, r.capacity[i]));
  }

  /** Moves the cursor to a place, null for none. */
  point(x) {
    const r = this.past?.resources[this.resource];
    if (!r || this.first < 0) return;
    this.index = null;
    if (x != null) {
      let i = this.first;
      while (i < this.past.at.length - 1 && this.x(this.past.at[i]) < x) i++;
      this.index = i;
      const at = this.x(this.past.at[i]);
      set(this.cursor, "x1", at); set(this.cursor, "x2", at);
    }
    set(this.cursor, "visibility", x == null ? "hidden" : "visible");
    this.legend(r);
  }

  key(e) {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[e.key];
    if (!by || e.target !== this.svg || !this.past) return;
    e.preventDefault();
    const step = Math.max(1, Math.round(this.seconds / this.past.step / 60));
    const i = Math.min(this.past.at.length - 1, Math.max(this.first, (this.index ?? this.past.at.length - 1) + by * step));
    this.point(this.x(this.past.at[i]));
    const r = this.past.resources[this.resource];
    say(this.when, clock(this.past.at[i] * 1000) + ": " + areas.map((a) => a.title + " " + amount(this.resource, (a.shown ?? a.of)(r, i))).join(", "));
  }
}
