// Making elements. Text of others only ever becomes a text node.

function make(element, props, children) {
  for (const [name, value] of Object.entries(props ?? {})) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.filter((c) => c != null));
  return element;
}

/** An element with attributes, listeners (onclick, …) and children. */
export const h = (tag, props, ...children) => make(document.createElement(tag), props, children);

/** The same in SVG. */
export const s = (tag, props, ...children) => make(document.createElementNS("http://www.w3.org/2000/svg", tag), props, children);

/** Sets a text only where it differs, so that nothing is laid out or read aloud anew. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Sets an attribute only where it differs. */
export function set(element, name, value) {
  if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
}

export const byId = (id) => document.getElementById(id);
