// Elements from values. Texts of others are only ever set as texts.

const SVG = "http://www.w3.org/2000/svg";

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (name === "on") for (const [event, listener] of Object.entries(value)) node.addEventListener(event, listener);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value != null) node.setAttribute(name, value);
  }
  node.append(...children.flat().filter((child) => child != null));
  return node;
}

export const h = (name, attributes, ...children) => fill(document.createElement(name), attributes, children);
export const svg = (name, attributes, ...children) => fill(document.createElementNS(SVG, name), attributes, children);
export const id = (name) => document.getElementById(name);

/** Sets a text, if it is another. */
export function text(node, value) {
  const wanted = value ?? "";
  if (node.textContent !== wanted) node.textContent = wanted;
}

/** Sets a text in which `…` is what a computer takes. */
export function prose(node, value) {
  if (node.said === value) return;
  node.said = value;
  node.replaceChildren(...value.split("`").map((part, index) => (index % 2 ? h("code", {}, part) : part)));
}

/** Sets an attribute, if it is another; removes it if there is none. */
export function attribute(node, name, value) {
  if (value == null || value === false) node.removeAttribute(name);
  else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
}

/**
 * Keeps a child for each item: `make` gives `{ node, update }` once, and `update` is called with each later item of that key.
 * What is there keeps its place and focus.
 */
export function each(parent, items, key, make) {
  const kept = (parent.keptChildren ??= new Map());
  const seen = new Set();
  let place = parent.firstChild;
  for (const item of items) {
    const name = key(item);
    seen.add(name);
    let child = kept.get(name);
    if (!child) {
      child = make(item);
      kept.set(name, child);
    }
    child.update(item);
    if (child.node === place) place = place.nextSibling;
    else parent.insertBefore(child.node, place);
  }
  for (const [name, child] of kept) {
    if (!seen.has(name)) {
      child.node.remove();
      kept.delete(name);
    }
  }
}

/** A table whose rows become blocks on a narrow screen. Roles are set, since blocks would lose them. */
export function table(caption, heads) {
  const body = h("tbody", { role: "rowgroup" });
  const head = h(
    "tr",
    { role: "row" },
    heads.map((name) => h("th", { role: "columnheader", scope: "col" }, name)),
  );
  const node = h(
    "table",
    { role: "table" },
    h("caption", { class: "unseen" }, caption),
    h("thead", { role: "rowgroup" }, head),
    body,
  );
  return { node, body };
}

/** Cells of a row, labelled by their heads for narrow screens. The first one names the row. */
export function row(heads) {
  const cells = heads.map((name, index) =>
    index === 0
      ? h("th", { role: "rowheader", scope: "row", "data-label": name })
      : h("td", { role: "cell", "data-label": name }),
  );
  return { node: h("tr", { role: "row" }, cells), cells };
}
