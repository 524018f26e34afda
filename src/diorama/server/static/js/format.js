// Numbers, sizes and times as a person reads them.

const LANGUAGE = document.documentElement.lang || "en";

export const number = (value, digits = 0) =>
  new Intl.NumberFormat(LANGUAGE, { maximumFractionDigits: digits }).format(value);

export function bytes(count) {
  if (count < 1000) return `${count} bytes`;
  const units = ["kB", "MB", "GB"];
  let value = count / 1000;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${number(value, value < 9.95 ? 1 : 0)} ${units[unit]}`;
}

export function seconds(value) {
  if (value < 0.05) return "0 s";
  if (value < 10) return `${number(value, 1)} s`;
  if (value < 90) return `${number(value)} s`;
  const minutes = Math.round(value / 60);
  if (minutes < 90) return `${number(minutes)} min`;
  return `${number(minutes / 60, 1)} h`;
}

/** Whole seconds, so that a countdown doesn't flicker. */
export const remaining = (value) => seconds(Math.max(1, Math.round(value)));

export const dimensions = (width, height) => `${number(width)} × ${number(height)} px`;

const RELATIVE = new Intl.RelativeTimeFormat(LANGUAGE, { numeric: "auto" });

/** "3 minutes ago"; a date when it is longer ago than a week. */
export function ago(iso, now = Date.now()) {
  const elapsed = (new Date(iso).getTime() - now) / 1000;
  const steps = [
    [45, 1, "second"],
    [2700, 60, "minute"],
    [79200, 3600, "hour"],
    [604800, 86400, "day"],
  ];
  for (const [limit, size, unit] of steps) {
    if (Math.abs(elapsed) < limit) return RELATIVE.format(Math.round(elapsed / size), unit);
  }
  return new Intl.DateTimeFormat(LANGUAGE, { dateStyle: "medium" }).format(new Date(iso));
}

export const moment = (iso) =>
  new Intl.DateTimeFormat(LANGUAGE, { dateStyle: "medium", timeStyle: "short" }).format(new Date(iso));

/** A share from 0 to 1 in percent; never "0 %" of something that is there. */
export function percent(share) {
  if (share > 0 && share < 0.01) return "< 1 %";
  return `${number(share * 100)} %`;
}
