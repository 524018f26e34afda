// What of the scene is under a place on the screen.

import { Raycaster, Vector2 } from "../../vendor/three/build/three.module.js";

const caster = new Raycaster();
const place = new Vector2();

/** @param x, y in client pixels  @returns the nearest hit on an opaque surface, or null */
export function pick({ surface, camera, modes }, x, y) {
  const box = surface.getBoundingClientRect();
  place.set(((x - box.left) / box.width) * 2 - 1, 1 - ((y - box.top) / box.height) * 2);
  camera.updateMatrixWorld();
  // By hand, for `setFromCamera` knows no principal point off the centre.
  caster.ray.origin.setFromMatrixPosition(camera.matrixWorld);
  caster.ray.direction.set(place.x, place.y, 0.5).unproject(camera).sub(caster.ray.origin).normalize();
  const solid = modes().meshes.filter((mesh) => !mesh.userData.soft && mesh.parent);
  return caster.intersectObjects(solid, false)[0] ?? null;
}
