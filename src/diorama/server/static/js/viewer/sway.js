// The gentle motion while nobody touches the scene: a slow figure that turns the scene's group, and eases out.

const PERIOD = 9000; // ms for one turn to and fro
const EASE = 350; // ms to come to rest

const smooth = (share) => share * share * (3 - 2 * share);

/** @param request asks for a frame  @returns step(now): turns the group; true while it wants another frame */
export function createSway(group, { sway: amplitude }, request) {
  let on = false;
  let phase = 0;
  let strength = 0;
  let last = null;
  let listener = () => {};
  let other = () => {};

  const change = (next) => {
    if (on === next) return;
    on = next;
    last = null;
    listener(on);
    other(on);
    request();
  };

  return {
    start: () => change(true),
    stop: () => change(false),
    center() {
      change(false);
      phase = 0;
      strength = 0;
      group.rotation.set(0, 0, 0);
    },
    /** 0 at rest, 1 in full motion. */
    strength: () => smooth(strength),
    onChange(next) {
      listener = next;
      listener(on);
    },
    alsoOnChange(next) {
      other = next;
    },
    step(now) {
      const elapsed = last === null ? 0 : Math.min(100, now - last);
      last = now;
      if (!on && strength === 0) return false;
      strength = on ? Math.min(1, strength + elapsed / (EASE * 4)) : Math.max(0, strength - elapsed / EASE);
      if (on) phase += (elapsed / PERIOD) * 2 * Math.PI;
      group.rotation.y = Math.sin(phase) * amplitude * smooth(strength);
      group.rotation.x = Math.sin(phase * 2) * amplitude * 0.28 * smooth(strength);
      return on || strength > 0;
    },
  };
}
