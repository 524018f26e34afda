// The photo's lens for a canvas of any shape.

/** All of the photo fits into the canvas; off-centre principal points too. */
export function lens(camera, { fx, fy, cx, cy, width, height }, aspect, zoom = 1) {
  const photoAspect = width / fx / (height / fy);
  const tall = height / (2 * fy); // tangent of half the vertical angle
  const half = (aspect >= photoAspect ? tall : width / (2 * fx) / aspect) / zoom;
  camera.fov = (2 * Math.atan(half) * 180) / Math.PI;
  camera.aspect = aspect;
  camera.updateProjectionMatrix();
  camera.projectionMatrix.elements[8] = -(cx - width / 2) / fx / (half * aspect);
  camera.projectionMatrix.elements[9] = (cy - height / 2) / fy / half;
  camera.projectionMatrixInverse.copy(camera.projectionMatrix).invert();
}

/**
 * How much of a canvas lies outside the photo's frame, on each side: shares of its width and of its height. `lens` puts
 * the frame into the middle, and one of the two is 0.
 */
export function margins({ fx, fy, width, height }, aspect) {
  const photoAspect = width / fx / (height / fy);
  return { x: Math.max(0, 1 - photoAspect / aspect) / 2, y: Math.max(0, 1 - aspect / photoAspect) / 2 };
}
