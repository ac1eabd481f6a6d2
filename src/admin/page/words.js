// Numbers and times as people say them.

const NUMBER = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const FINE = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });

export const number = (value) => NUMBER.format(value);

export function span(seconds) {
  const value = Math.max(0, seconds);
  if (value < 9.95) return `${FINE.format(value)} s`;
  if (value < 120) return `${Math.round(value)} s`;
  if (value < 7200) return `${Math.floor(value / 60)} min`;
  if (value < 172800) return `${Math.floor(value / 3600)} h`;
  return `${Math.floor(value / 86400)} days`;
}

export function rate(value) {
  if (value == null) return "–";
  if (value === 0) return "0/s";
  if (value < 0.1) return "< 0.1/s";
  return `${value < 100 ? FINE.format(value) : NUMBER.format(value)}/s`;
}

/** How long ago, or in how long, by the daemon's clock. */
export function when(time, now) {
  const seconds = (Date.parse(now) - Date.parse(time)) / 1000;
  return seconds >= 0 ? `${span(seconds)} ago` : `in ${span(-seconds)}`;
}

/** A time of the day in the reader's own zone. */
export const clock = (time) => new Date(time).toLocaleTimeString("en-GB");

export const moment = (time) => new Date(time).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "medium" });
