// Distances as colours, near bright and far dark, for surfaces that the depth map has no pixels for.

import { ShaderMaterial } from "../../vendor/three/build/three.module.js";

// Matplotlib's inferno, the depth map's colours, as a polynomial (Matt Zucker, CC0).
const FRAGMENT = `
uniform float nearest, farthest;
varying float away, opacity;
vec3 inferno(float t) {
  const vec3 c0 = vec3(0.000219, 0.001651, -0.019481), c1 = vec3(0.106513, 0.563956, 3.932712);
  const vec3 c2 = vec3(11.602493, -3.972854, -15.942394), c3 = vec3(-41.703996, 17.436399, 44.354145);
  const vec3 c4 = vec3(77.162936, -33.402359, -81.807309), c5 = vec3(-71.319428, 32.626064, 73.209520);
  const vec3 c6 = vec3(25.131126, -12.242669, -23.070325);
  return c0 + t * (c1 + t * (c2 + t * (c3 + t * (c4 + t * (c5 + t * c6)))));
}
void main() {
  float shade = (1.0 / away - 1.0 / farthest) / max(1.0 / nearest - 1.0 / farthest, 1e-6);
  gl_FragColor = vec4(clamp(inferno(clamp(shade, 0.0, 1.0)), 0.0, 1.0), opacity);
}`;

const VERTEX = `
varying float away, opacity;
#ifdef SOFT
attribute vec4 color;
#endif
void main() {
  away = -position.z; // from the photo's camera, which looks along -z
  opacity = 1.0;
  #ifdef SOFT
  opacity = color.a;
  #endif
  gl_Position = projectionMatrix * modelViewMatrix * vec4(position, 1.0);
}`;

/** @param range {{ near, deep }} distances of the brightest and the darkest colour  @param soft rims with opacity */
export function depthRamp({ near, deep }, soft) {
  return new ShaderMaterial({
    uniforms: { nearest: { value: near }, farthest: { value: Math.max(deep, near * 1.001) } },
    defines: soft ? { SOFT: "" } : {},
    vertexShader: VERTEX,
    fragmentShader: FRAGMENT,
    transparent: soft,
    depthWrite: !soft,
  });
}
