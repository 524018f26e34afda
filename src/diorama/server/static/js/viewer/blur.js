// Depth of field: the mean of many pictures from all over the lens's opening, each sheared so that the plane of focus
// stays where it is (Haeberli and Akeley, The Accumulation Buffer, SIGGRAPH 1990). What a near thing hides is seen past
// its edges, as through a real lens, since the scene has it.

import {
  HalfFloatType,
  Mesh,
  NoBlending,
  OrthographicCamera,
  PlaneGeometry,
  Scene,
  ShaderMaterial,
  Vector2,
  Vector3,
  WebGLRenderTarget,
} from "../../vendor/three/build/three.module.js";
import { pick } from "./pick.js";

const SAMPLES = 64;
const MOST_AT_ONCE = 8; // pictures in one frame: the rest follow when nothing moves
const FAST = 22; // ms between two frames: there is time for one more
const SLOW = 45;
const OPENING = 0.6; // of the way that the camera may go: farther there may be nothing

const VERTEX = "varying vec2 at; void main() { at = uv; gl_Position = vec4(position.xy, 0.0, 1.0); }";
const MIX = `
uniform sampler2D sum, one; uniform float share; varying vec2 at;
void main() { gl_FragColor = mix(texture2D(sum, at), texture2D(one, at), share); }`;
// Colours are multiplied by their opacity, in the mean and on the canvas.
const SHOW = `
uniform sampler2D sum; varying vec2 at;
void main() {
  vec4 mean = texture2D(sum, at);
  gl_FragColor = vec4(mean.rgb / max(mean.a, 1e-4), mean.a);
  #include <colorspace_fragment>
  gl_FragColor.rgb *= mean.a;
}`;

export function createBlur(stage) {
  const { renderer, scene, camera, extent, limits, request } = stage;
  let amount = 0;
  let focus = extent.middle; // distance along the camera's axis
  let count = 0;
  let atOnce = 2;
  let last = 0;
  let targets = null; // [sum, other sum, one picture]
  const size = new Vector2();
  const screen = new OrthographicCamera(-1, 1, 1, -1, 0, 1);
  const quad = new Mesh(new PlaneGeometry(2, 2));
  const flat = new Scene().add(quad);
  const pass = (fragmentShader, uniforms) =>
    new ShaderMaterial({
      ...{ vertexShader: VERTEX, fragmentShader, uniforms, blending: NoBlending, depthTest: false, depthWrite: false },
      toneMapped: false,
    });
  const mixing = pass(MIX, { sum: { value: null }, one: { value: null }, share: { value: 1 } });
  const showing = pass(SHOW, { sum: { value: null } });

  const need = () => {
    renderer.getDrawingBufferSize(size);
    if (targets && targets[0].width === size.x && targets[0].height === size.y) return;
    release();
    targets = [0, 1, 2].map((at) => new WebGLRenderTarget(size.x, size.y, { type: HalfFloatType, depthBuffer: at === 2 }));
    count = 0;
  };
  const release = () => {
    for (const target of targets ?? []) target.dispose();
    targets = null;
  };
  const through = (material, target) => {
    quad.material = material;
    renderer.setRenderTarget(target);
    renderer.render(flat, screen);
  };

  /** One more picture, from the next place of the opening. */
  function add() {
    // The first one from the middle: it may be the only one, while the scene is turned.
    const radius = count ? amount * OPENING * limits.travel * Math.sqrt(halton(count, 2)) : 0;
    const angle = 2 * Math.PI * halton(count, 3);
    const [x, y] = [radius * Math.cos(angle), radius * Math.sin(angle)];
    const { position, projectionMatrix, projectionMatrixInverse } = camera;
    const { elements } = projectionMatrix;
    const [home, shear8, shear9] = [position.clone(), elements[8], elements[9]];
    position.add(new Vector3(x, y, 0).applyQuaternion(camera.quaternion));
    // The shear, and a part of a pixel: the mean has smooth edges then.
    elements[8] += -(elements[0] * x) / focus + (halton(count, 5) - 0.5) * (2 / size.x);
    elements[9] += -(elements[5] * y) / focus + (halton(count, 7) - 0.5) * (2 / size.y);
    projectionMatrixInverse.copy(projectionMatrix).invert();
    renderer.setRenderTarget(targets[2]);
    renderer.clear();
    renderer.render(scene, camera);
    position.copy(home);
    elements[8] = shear8;
    elements[9] = shear9;
    projectionMatrixInverse.copy(projectionMatrix).invert();
    camera.updateMatrixWorld();

    mixing.uniforms.sum.value = targets[0].texture;
    mixing.uniforms.one.value = targets[2].texture;
    mixing.uniforms.share.value = 1 / (count + 1);
    through(mixing, targets[1]);
    targets.splice(0, 2, targets[1], targets[0]);
    count += 1;
  }

  return {
    /** @param changed what was gathered is of no use any more  @returns whether another frame would be better */
    draw(changed) {
      if (!amount || renderer.xr.isPresenting) {
        renderer.render(scene, camera);
        return false;
      }
      need();
      if (changed) count = 0;
      const now = performance.now();
      if (now - last < FAST) atOnce = Math.min(MOST_AT_ONCE, atOnce + 1);
      else if (now - last > SLOW) atOnce = Math.max(1, atOnce >> 1);
      last = now;
      for (let left = atOnce; left && count < SAMPLES; left -= 1) add();
      showing.uniforms.sum.value = targets[0].texture;
      through(showing, null);
      return count < SAMPLES;
    },
    /** @param share 0: everything is sharp; 1: as open as the scene allows */
    set(share) {
      amount = share;
      if (!amount) release();
      request();
    },
    amount: () => amount,
    samples: () => count,
    /** Focus on what is at a place on the screen. */
    focus(x, y) {
      const hit = amount ? pick(stage, x, y) : null;
      if (!hit) return;
      focus = -hit.point.clone().applyMatrix4(camera.matrixWorldInverse).z;
      request();
    },
    destroy() {
      release();
      quad.geometry.dispose();
      mixing.dispose();
      showing.dispose();
    },
  };
}

/** The radical inverse: every beginning of the sequence covers 0..1 evenly (Halton 1960). */
function halton(index, base) {
  let result = 0;
  let share = 1 / base;
  for (let left = index + 1; left > 0; left = Math.floor(left / base)) {
    result += share * (left % base);
    share /= base;
  }
  return result;
}
