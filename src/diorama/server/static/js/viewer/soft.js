// What enhanced scenes have and others lack: soft rims, and surfaces that were imagined.

import { Color } from "../../vendor/three/build/three.module.js";

const HIGHLIGHT = new Color("rgb(204, 60, 150)"); // the server's pictures have the same
const SHARE = 0.55;

/**
 * Sorts a rim's triangles from the farthest to the nearest, as seen from the photo's camera: blended pixels must be laid
 * in that order. The way that the camera may go is too short to change it much.
 * @returns a render order for the whole rim, larger for nearer ones
 */
export function sortFarFirst(geometry) {
  const { index } = geometry;
  const { position } = geometry.attributes;
  const count = index.count / 3;
  const depth = new Float32Array(count);
  let sum = 0;
  for (let face = 0; face < count; face += 1) {
    for (let corner = 0; corner < 3; corner += 1) depth[face] -= position.getZ(index.getX(3 * face + corner));
    sum += depth[face];
  }
  const order = Uint32Array.from({ length: count }, (_, face) => face).sort((a, b) => depth[b] - depth[a]);
  const sorted = index.array.slice();
  order.forEach((face, place) => {
    for (let corner = 0; corner < 3; corner += 1) sorted[3 * place + corner] = index.array[3 * face + corner];
  });
  index.array.set(sorted);
  index.needsUpdate = true;
  return 1 / (1 + sum / (3 * count)); // 0..1: after all that is opaque
}

/** One switch for all materials that it was applied to. */
export function createTint() {
  const amount = { value: 0 };
  return {
    apply(material) {
      material.onBeforeCompile = (shader) => {
        shader.uniforms.tintAmount = amount;
        shader.uniforms.tintColor = { value: HIGHLIGHT };
        shader.fragmentShader = shader.fragmentShader
          .replace("void main() {", "uniform float tintAmount;\nuniform vec3 tintColor;\nvoid main() {")
          .replace(
            "#include <color_fragment>",
            "#include <color_fragment>\ndiffuseColor.rgb = mix(diffuseColor.rgb, tintColor, tintAmount);",
          );
      };
      material.customProgramCacheKey = () => "tinted";
    },
    /** @param on 0 or 1 */
    set(on) {
      amount.value = on * SHARE;
    },
  };
}
