// What the daemon says, and its history.

/** Asks the API; an error says why in the daemon's words. */
export async function ask(path) {
  const answer = await fetch("api/v1/" + path, { signal: AbortSignal.timeout(10000) });
  const body = await answer.json();
  if (!answer.ok) throw new Error(body.error ?? answer.statusText);
  return body;
}

/** An amount of a resource with its unit: cores, or MiB. */
export function amount(resource, v) {
  if (v == null) return "unknown";
  if (resource === "cpus") return v.toFixed(2) + " CPUs";
  if (resource === "mem") return v >= 10240 ? (v / 1024).toFixed(1) + " GiB" : v.toFixed(0) + " MiB";
  return String(v);
}

/** A duration in seconds for people. */
export function lasting(s) {
  if (s < 10) return s.toFixed(1) + " s";
  if (s < 120) return s.toFixed(0) + " s";
  if (s < 7200) return (s / 60).toFixed(0) + " min";
  return s < 172800 ? (s / 3600).toFixed(0) + " h" : (s / 86400).toFixed(0) + " days";
}

export const clock = (at) => new Date(at).toLocaleTimeString([], { hour12: false });

export const keyOf = (c) => c.id + "/" + (c.inode ?? 0);

const windows = { "15m": 900, "1h": 3600, "24h": 86400 };
const sparkLength = 120;

/** The last of a list that is bounded. */
function push(list, value, most) {
  list.push(value);
  if (list.length > most) list.splice(0, list.length - most);
}

/** What happened within the window that is shown. */
export class Past {
  constructor(name) {
    this.seconds = windows[name];
    this.at = [];
    this.step = 1;
    this.resources = {};
    this.events = [];
    this.sparks = new Map();
  }

  /** Takes what the daemon remembers. */
  load(history) {
    this.at = history.at_unix_s;
    this.step = history.step_s;
    this.resources = Object.fromEntries(history.resources.map((r) => [r.resource, r]));
    this.events = history.events;
    if (this.step > 1) return;
    for (const c of history.containers) this.sparks.set(keyOf(c), c.cores.slice(-sparkLength));
  }

  /** Takes one tick. Within a step it replaces what was there. */
  add(point) {
    const at = Math.floor(point.at_unix_s[0] / this.step) * this.step;
    const again = this.at.at(-1) === at;
    const most = this.seconds / this.step + 2;
    if (again) this.at.pop();
    push(this.at, at, most);
    for (const now of point.resources) {
      const series = (this.resources[now.resource] ??= { resource: now.resource });
      for (const [name, values] of Object.entries(now)) {
        if (name === "resource") continue;
        series[name] ??= [];
        if (again) series[name].pop();
        push(series[name], values[0], most);
      }
    }
    const known = new Set();
    for (const c of point.containers) {
      const key = keyOf(c);
      known.add(key);
      let spark = this.sparks.get(key);
      if (!spark) this.sparks.set(key, (spark = []));
      push(spark, c.cores[0], sparkLength);
    }
    for (const key of this.sparks.keys()) if (!known.has(key)) this.sparks.delete(key);
    this.events.push(...point.events);
    if (this.events.length > 500) this.events.splice(0, this.events.length - 500);
  }
}
