// The table of containers.

import { byId, h, s, say, set } from "./dom.js";
import { amount, keyOf } from "./data.js";

const MiB = 1 << 20;
const known = (v) => (typeof v === "number" ? v : null);
const allocated = (x, resource) => (x?.regular?.[resource] ?? 0) + (x?.revocable?.[resource] ?? 0);

/** What is used of what is allocated, with the unit once. */
function used(resource, v, of) {
  if (!of || v == null) return amount(resource, v);
  return v.toFixed(resource === "cpus" ? 2 : 0) + " of " + amount(resource, of);
}

// The columns: by is what they are sorted by; numbers are sorted downwards first.
const columns = [
  { name: "Task", by: (c) => c.name.toLowerCase() },
  { name: "Class", by: (c) => c.class },
  { name: "CPU", by: (c) => c.cores, number: true },
  { name: "2 min", title: "CPU use of the last two minutes" },
  { name: "Memory", by: (c) => c.mem, number: true },
  { name: "Applied", by: (c) => c.applied.join() },
  { name: "Framework", by: (c) => c.framework },
];

/** A container as the table needs it. */
function row(c, dying) {
  const x = c.executor;
  const tasks = x?.tasks ?? [];
  const names = tasks.map((t) => t.name || t.id);
  const labels = [...(x?.labels ?? []), ...tasks.flatMap((t) => t.labels ?? [])].map((l) => l.key + "=" + (l.value ?? ""));
  return {
    key: keyOf(c), id: c.id, x, labels: [...new Set(labels)],
    name: names[0] ? names[0] + (names.length > 1 ? " and " + (names.length - 1) + " more" : "") : x?.name || x?.executor_id || c.id,
    ids: tasks.map((t) => t.id).filter((id) => id !== names[0]).join(", "),
    class: x?.class ?? "unknown", dying,
    cores: known(c.cpu?.cores), mem: known(c.memory?.unreclaimable_bytes) == null ? null : c.memory.unreclaimable_bytes / MiB,
    applied: (c.applied ?? []).filter((a) => a.value).map((a) => a.name.replace("_", " ") + " " + a.value),
    framework: x?.framework_name ?? x?.framework_id ?? "", executor: x?.executor_id ?? "",
    text: [c.id, x?.executor_id, x?.framework_id, x?.framework_name, x?.name, x?.role, ...tasks.flatMap((t) => [t.id, t.name]), ...labels].join(" ").toLowerCase(),
  };
}

const few = 20, page = 100;

export class Containers {
  /** explain shows what there is to say of a container. */
  constructor(explain) {
    this.explain = explain;
    this.rows = new Map();
    this.lines = new Map();
    this.limit = few;
    this.sort = { column: columns[2], down: true };
    this.body = byId("table").tBodies[0];
    const sorter = (c) => h("button", { type: "button", onclick: () => this.sortBy(c) }, c.name);
    this.heads = columns.map((c) => h("th", { scope: "col", role: "columnheader", class: c.number && "number", title: c.title }, c.by ? sorter(c) : c.name));
    byId("table").tHead.rows[0].append(...this.heads);
    this.select = byId("sort");
    for (const c of columns) if (c.by) this.select.append(h("option", {}, c.name));
    this.select.addEventListener("change", () => this.sortBy(columns.find((c) => c.name === this.select.value)));
    byId("filter").addEventListener("input", () => this.order());
    byId("class").addEventListener("change", () => this.order());
    byId("more").addEventListener("click", () => { this.limit += page; this.order(); });
    this.sortBy(columns[2]);
  }

  sortBy(column) {
    this.sort = { column, down: this.sort.column === column && this.sorted ? !this.sort.down : !!column.number };
    this.sorted = true;
    columns.forEach((c, i) => { if (c.by) set(this.heads[i], "aria-sort", c !== column ? "none" : this.sort.down ? "descending" : "ascending"); });
    this.select.value = column.name;
    this.order();
  }

  /** Takes a whole status. */
  load(status) {
    const dying = new Set((status.kills_in_flight ?? []).map(keyOf));
    this.rows = new Map(status.containers.map((c) => [keyOf(c), row(c, dying.has(keyOf(c)))]));
    this.stale = true;
  }

  /** Takes the readings of a tick. */
  add(containers) {
    for (const c of containers) {
      const r = this.rows.get(keyOf(c));
      if (!r) continue;
      r.cores = c.cores[0];
      r.mem = c.unreclaimable_bytes[0] == null ? null : c.unreclaimable_bytes[0] / MiB;
    }
  }

  /** Draws; the order changes every 5 s at most, and never under somebody's hand. */
  draw(past) {
    this.past = past;
    const now = performance.now();
    const busy = this.body.matches(":hover, :focus-within");
    if (this.stale || (!busy && now - (this.ordered ?? 0) > 5000)) this.order();
    else for (const r of this.shown) this.fill(r);
  }

  order() {
    const words = byId("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
    const wanted = byId("class").value;
    const { column, down } = this.sort;
    const all = [...this.rows.values()].filter((r) => (!wanted || r.class === wanted) && words.every((w) => r.text.includes(w)));
    const compare = (a, b) => {
      if (a === b) return 0;
      if (a == null || a === "") return 1; // what is not known is last
      if (b == null || b === "") return -1;
      return a < b === down ? 1 : -1;
    };
    all.sort((a, b) => compare(column.by(a), column.by(b)) || (a.key < b.key ? -1 : 1));
    this.shown = all.slice(0, this.limit);
    this.ordered = performance.now();
    this.stale = false;
    const some = all.length > this.limit ? this.limit + " of " : "";
    const filtered = all.length < this.rows.size ? " (filtered from " + this.rows.size + ")" : "";
    say(byId("count"), some + all.length + (all.length === 1 ? " container" : " containers") + filtered);
    byId("more").hidden = all.length <= this.limit;
    const keep = new Set(this.shown.map((r) => r.key));
    for (const [key, line] of this.lines) if (!keep.has(key)) { line.tr.remove(); this.lines.delete(key); }
    this.shown.forEach((r, i) => {
      this.fill(r);
      const tr = this.lines.get(r.key).tr;
      if (this.body.children[i] !== tr) this.body.insertBefore(tr, this.body.children[i] ?? null);
    });
  }

  line(r) {
    const explain = () => this.explain(this.rows.get(r.key) ?? r);
    const line = { name: h("button", { type: "button", class: "name", onclick: explain }), spark: s("path", {}) };
    for (const name of ["class", "cores", "mem", "applied", "framework"]) line[name] = h("span", {});
    for (const name of ["ids", "executor"]) line[name] = h("small", {});
    const drawing = s("svg", { class: "spark", viewBox: "0 0 90 22", "aria-hidden": "true" }, line.spark);
    const cells = [[line.class], [line.cores], [drawing], [line.mem], [line.applied], [line.framework, line.executor]];
    line.tr = h("tr", { role: "row" }, h("th", { scope: "row", role: "rowheader" }, line.name, line.ids),
      ...cells.map((c, i) => h("td", { role: "cell", "data-label": columns[i + 1].name, class: columns[i + 1].number && "number" }, ...c)));
    this.lines.set(r.key, line);
    return line;
  }

  fill(r) {
    const line = this.lines.get(r.key) ?? this.line(r);
    set(line.tr, "data-class", r.class);
    say(line.name, r.name);
    say(line.ids, r.ids);
    say(line.class, r.dying ? "dying" : r.class);
    set(line.class, "class", "badge " + (r.dying ? "bad" : r.class));
    say(line.cores, used("cpus", r.cores, allocated(r.x, "cpus")));
    say(line.mem, used("mem", r.mem, allocated(r.x, "mem")));
    say(line.applied, r.applied.join(", ") || "–");
    say(line.framework, r.framework || "–");
    say(line.executor, r.executor);
    set(line.spark, "d", this.curve(this.past?.sparks.get(r.key) ?? [], allocated(r.x, "cpus")));
  }

  curve(values, allocated) {
    const most = Math.max(allocated, 0.01, ...values);
    let d = "";
    values.forEach((v, i) => {
      if (v == null) return;
      const x = ((120 - values.length + i) / 119) * 90, y = 21 - (v / most) * 20;
      d += (d && values[i - 1] != null ? "L" : "M") + x.toFixed(1) + " " + y.toFixed(1);
    });
    return d;
  }
}
