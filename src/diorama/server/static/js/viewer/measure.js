// How large the scene is and how far one may look around in it.

const SAMPLES = 20000;
const DEGREE = Math.PI / 180;

/**
 * Distances along the photo camera's axis: nearest (without strays), the middle to turn about, where most ends, and the
 * farthest of all. What is hidden in the photo doesn't count, except for the farthest.
 */
export function measure(meshes) {
  const depths = [];
  let far = 0;
  for (const { geometry } of meshes) {
    geometry.computeBoundingBox();
    far = Math.max(far, -geometry.boundingBox.min.z);
  }
  const visible = meshes.filter((mesh) => mesh.userData.part === "visible");
  const total = visible.reduce((sum, mesh) => sum + mesh.geometry.attributes.position.count, 0);
  const step = Math.max(1, Math.floor(total / SAMPLES));
  for (const mesh of visible) {
    const { position } = mesh.geometry.attributes;
    for (let index = 0; index < position.count; index += step) {
      const depth = -position.getZ(index); // glTF looks along -z
      if (depth > 0) depths.push(depth);
    }
  }
  if (!depths.length) return { near: 1, middle: 2, deep: 4, far: Math.max(4, far) };
  depths.sort((a, b) => a - b);
  const at = (share) => depths[Math.min(depths.length - 1, Math.floor(share * depths.length))];
  // The mean of 1/z: what most of the picture stands at, little moved by a far sky.
  const middle = depths.length / depths.reduce((sum, depth) => sum + 1 / depth, 0);
  return { near: at(0.01), middle, deep: at(0.99), far };
}

/**
 * Angles about the middle, and distances from it. The setting `camera_travel` is the sideways way of the camera in
 * percent of the view's diagonal at the nearest depth; the idle motion keeps within it. A hand may go more than twice as
 * far in Original 3D, to see what is missing; an enhanced scene was made for just this much.
 */
export function reach(about, { near, middle }) {
  const { fx, width, height } = about.camera;
  const travel = (about.travel / 100) * (Math.hypot(width, height) / fx) * near;
  const own = Math.atan(travel / middle);
  const clamp = (value, low, high) => Math.min(high * DEGREE, Math.max(low * DEGREE, value));
  const sway = clamp(own * 0.65, 0.6, 5);
  if (about.step !== "original") {
    const most = clamp(own, 1, 45);
    return { travel, sway, azimuth: most, polar: most, nearest: (middle - 2 * travel) / middle, farthest: 1 };
  }
  const polar = clamp(own * 1.8, 5, 30);
  return { travel, sway, azimuth: clamp(own * 2.4, 7, 45), polar, nearest: 0.55, farthest: 1.7 };
}
