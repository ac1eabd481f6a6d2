// Charts of the last hour as SVG: bars for a rate, a line for a lag. Points of which nothing is known are left out.

import { svg } from "./dom.js";

const WIDTH = 240;

function scale(values) {
  const known = values.filter((value) => value != null);
  return { most: Math.max(0, ...known), isEmpty: known.length === 0 };
}

/** `label` says in words what is to be seen. */
export function bars(values, height, label) {
  const { most } = scale(values);
  const step = WIDTH / values.length;
  const shapes = values.map((value, index) => {
    if (!value) return null;
    const tall = Math.max(1, (value / most) * (height - 1));
    return svg("rect", { x: (index * step).toFixed(2), y: (height - tall).toFixed(2), width: (step * 0.72).toFixed(2), height: tall.toFixed(2) });
  });
  return frame(height, label, "bars", shapes, values);
}

export function line(values, height, label) {
  const { most } = scale(values);
  const step = WIDTH / values.length;
  const y = (value) => height - 1.5 - (most ? value / most : 0) * (height - 3);
  let path = "";
  let isDown = false;
  values.forEach((value, index) => {
    if (value == null) {
      isDown = false;
      return;
    }
    path += `${isDown ? "L" : "M"}${((index + 0.5) * step).toFixed(2)} ${y(value).toFixed(2)}`;
    // A single point is seen as a short line.
    if (!isDown) path += "h0.01";
    isDown = true;
  });
  return frame(height, label, "line", [svg("path", { d: path || "M0 0" })], values);
}

function frame(height, label, kind, shapes, values) {
  const first = values.findIndex((value) => value != null);
  const unknown = first === -1 ? values.length : first;
  return svg(
    "svg",
    { class: `chart ${kind}`, viewBox: `0 0 ${WIDTH} ${height}`, preserveAspectRatio: "none", role: "img", "aria-label": label },
    unknown > 0 ? svg("rect", { class: "unknown", x: 0, y: 0, width: ((unknown * WIDTH) / values.length).toFixed(2), height }) : null,
    svg("line", { class: "ground", x1: 0, x2: WIDTH, y1: height - 0.5, y2: height - 0.5 }),
    shapes,
  );
}
