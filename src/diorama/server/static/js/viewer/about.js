// What the viewer has to know of a scene besides its surfaces.

/**
 * @typedef {{ camera: { fx, fy, cx, cy, width, height }, travel: number, step: string, units: string }} About
 * the photo's camera in pixels, the setting `camera_travel`, the step that made the scene, metric or relative
 */

const DEFAULT_TRAVEL = 8;
const SYNTHETIC_HEIGHT = 1000; // pixels of the camera that stands for a glTF camera

/** Of a job of this server. */
export const aboutJob = (job) => ({
  camera: job.camera,
  travel: job.settings.camera_travel ?? DEFAULT_TRAVEL,
  step: job.step,
  units: job.units,
});

/** Of a GLB that was loaded: from the extras that Diorama writes, else from its camera; null without one. */
export function aboutFile(gltf) {
  const { fx, fy, cx, cy, width, height, step, units, settings } = gltf.scene.userData;
  const travel = settings?.camera_travel ?? DEFAULT_TRAVEL;
  if ([fx, fy, cx, cy, width, height].every(Number.isFinite)) {
    return { camera: { fx, fy, cx, cy, width, height }, travel, step, units };
  }
  const camera = gltf.cameras.find((one) => one.isPerspectiveCamera);
  if (!camera) return null;
  const focal = SYNTHETIC_HEIGHT / 2 / Math.tan((camera.fov * Math.PI) / 360);
  const wide = SYNTHETIC_HEIGHT * camera.aspect;
  return {
    camera: { fx: focal, fy: focal, cx: wide / 2, cy: SYNTHETIC_HEIGHT / 2, width: wide, height: SYNTHETIC_HEIGHT },
    travel,
    step: "original",
    units: "relative",
  };
}
