// The scene turns as the phone is tilted, within the way that the camera may go.

const FULL = 18; // degrees of tilt for the whole way
const FOLLOW = 110; // ms in which it comes nearer by two thirds: sensors tremble
const DRIFT = 0.004; // in an event: whoever sits down differently need not hold the phone as before
const DEGREE = Math.PI / 180;

const clamp = (value) => Math.min(1, Math.max(-1, value));

/** Browsers have the sensor on secure pages alone; computers have none. */
export const canTilt = () =>
  isSecureContext && "DeviceOrientationEvent" in window && matchMedia("(any-pointer: coarse)").matches;

export function createTilt({ pivot, limits, request }, sway) {
  let on = false;
  let leaving = false; // on its way back to the middle
  let middle = null; // how the phone is held
  let last = 0;
  const wanted = { x: 0, y: 0 };
  let listener = () => {};

  const sense = ({ beta, gamma }) => {
    if (beta === null || gamma === null) return;
    const turned = (screen.orientation?.angle ?? 0) * DEGREE; // a phone on its side
    const [cos, sin] = [Math.cos(turned), Math.sin(turned)];
    const [across, along] = [gamma * cos + beta * sin, beta * cos - gamma * sin];
    middle ??= { across, along };
    middle.across += (across - middle.across) * DRIFT;
    middle.along += (along - middle.along) * DRIFT;
    wanted.y = clamp((across - middle.across) / FULL) * limits.azimuth;
    wanted.x = clamp((along - middle.along) / FULL) * limits.polar;
    request();
  };
  const change = (next) => {
    if (on === next) return;
    on = next;
    middle = null;
    wanted.x = wanted.y = 0;
    if (on) {
      sway.stop();
      addEventListener("deviceorientation", sense);
    } else {
      removeEventListener("deviceorientation", sense);
      leaving = true;
    }
    listener(on);
    request();
  };
  sway.alsoOnChange((swaying) => swaying && change(false));

  return {
    /** @returns whether the browser lets us; iOS asks the person, and only from a click */
    async start() {
      const { requestPermission } = DeviceOrientationEvent;
      const answer = requestPermission ? await requestPermission.call(DeviceOrientationEvent) : "granted";
      if (answer === "granted") change(true);
      return answer === "granted";
    },
    stop: () => change(false),
    isOn: () => on,
    onChange(next) {
      listener = next;
    },
    recenter() {
      middle = null;
    },
    /** Turns the scene's group; true while it wants another frame. */
    step(now) {
      const { rotation } = pivot;
      const share = 1 - Math.exp(-Math.min(200, now - last) / FOLLOW);
      last = now;
      if (sway.strength() > 0 || (!on && !leaving)) return false;
      const [x, y] = [wanted.x - rotation.x, wanted.y - rotation.y];
      rotation.x += x * share;
      rotation.y += y * share;
      const far = Math.abs(x) + Math.abs(y) > 1e-4;
      leaving = far && !on;
      return far;
    },
    destroy: () => change(false),
  };
}
