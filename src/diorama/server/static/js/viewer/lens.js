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
