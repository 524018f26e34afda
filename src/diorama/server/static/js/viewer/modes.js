// The ways to look at one scene file: textured mesh, points, wireframe, depth colours; and what was imagined, tinted.

import {
  Color,
  DirectionalLight,
  Group,
  HemisphereLight,
  Mesh,
  MeshBasicMaterial,
  MeshStandardMaterial,
  Points,
  PointsMaterial,
  SRGBColorSpace,
  TextureLoader,
} from "../../vendor/three/build/three.module.js";
import { GLTFLoader } from "../../vendor/three/examples/jsm/loaders/GLTFLoader.js";
import { PLYLoader } from "../../vendor/three/examples/jsm/loaders/PLYLoader.js";
import { aboutFile } from "./about.js";
import { depthRamp } from "./depth-ramp.js";
import { createTint, sortFarFirst } from "./soft.js";

// Wires in the photo's own colours, a little brightened, over a dark surface that hides the wires behind it.
const UNDER = new Color(0.006, 0.005, 0.005);
const WIRE = new Color(1.3, 1.3, 1.3);

const POINT_DISTANCE = 2; // CSS pixels: closer points would run together into a picture
const POINT_SIZE = 0.75; // of their distance

const MOST_METAL = 0.6;

/** From above and from the viewer's upper left, as bright together as the photo itself. */
function lights() {
  const sun = new DirectionalLight(0xffffff, 1.6);
  sun.position.set(-1, 1.5, 2);
  return [new HemisphereLight(0xffffff, 0x8c8478, 2.2), sun];
}

const isImagined = (mesh) => ["imagined", "back"].includes(mesh.userData.part);

/**
 * @param urls {{ scene, depth?, points? }} the files' addresses; without a depth map distances are coloured themselves.
 * The scene may be a function instead that gives a promise of the GLB's bytes.
 * @param content the group to put everything into
 */
export function createModes({ urls, content, renderer }) {
  const meshes = [];
  const file = { about: null, things: new Map() };
  let apart = 0;
  const shown = new Map(); // mode -> the material of the meshes
  const wires = new Group();
  const disposables = [];
  const tint = createTint();
  let points = null;
  let mode = "mesh";

  const keep = (thing) => {
    disposables.push(thing);
    return thing;
  };

  /** Unlit: the photo has its light already. Without normals anything lit is black. */
  const basic = (options) => keep(new MeshBasicMaterial({ toneMapped: false, ...options }));

  async function load() {
    const loader = new GLTFLoader();
    const gltf = await (typeof urls.scene === "string"
      ? loader.loadAsync(urls.scene)
      : loader.parseAsync(await urls.scene(), ""));
    gltf.scene.updateMatrixWorld(true);
    file.about = aboutFile(gltf);
    for (const { id, name } of gltf.scene.userData.segments ?? []) file.things.set(id, name);
    const found = [];
    gltf.scene.traverse((object) => {
      if (object.isMesh) found.push(object);
    });
    if (!found.length) throw new Error("the GLB holds no mesh");
    for (const mesh of found) {
      keep(mesh.geometry).applyMatrix4(mesh.matrixWorld);
      const { map } = mesh.material;
      if (map) {
        map.anisotropy = renderer.capabilities.getMaxAnisotropy();
        keep(map);
      }
      meshes.push(bareMesh(mesh, map));
      mesh.material.dispose();
    }
    content.add(...meshes);
    if (meshes.some((mesh) => mesh.material.isMeshStandardMaterial)) content.add(...lights());
    rankLayers(meshes);
  }

  function bareMesh({ geometry, material, userData }, map) {
    const { transparent, alphaTest } = material;
    const soft = geometry.hasAttribute("color");
    // See-through rims hide nothing: they are laid over what is there already, the farthest first.
    const options = { map, transparent, alphaTest, vertexColors: soft, depthWrite: !transparent };
    const bare = new Mesh(geometry, material.isMeshStandardMaterial ? lit(material, options) : basic(options));
    if (transparent) bare.renderOrder = sortFarFirst(geometry);
    bare.userData = { part: userData.part ?? "visible", soft: transparent, segment: userData.segment ?? 0 };
    if (isImagined(bare)) tint.apply(bare.material);
    shown.set(bare, { mesh: bare.material });
    return bare;
  }

  /** As the file says, less metal: with nothing around the scene to be mirrored, metal would be black. */
  function lit({ roughness, metalness }, options) {
    const material = new MeshStandardMaterial({ ...options, roughness, metalness: metalness * MOST_METAL });
    return keep(material);
  }

  function needWires() {
    for (const mesh of meshes) {
      const materials = shown.get(mesh);
      if (materials.wireframe || mesh.userData.soft) continue;
      materials.wireframe = basic({ color: UNDER, polygonOffset: true, polygonOffsetFactor: 1, polygonOffsetUnits: 1 });
      const wire = basic({ wireframe: true, map: materials.mesh.map, color: WIRE, transparent: true, opacity: 0.6 });
      if (isImagined(mesh)) tint.apply(wire);
      const wired = new Mesh(mesh.geometry, wire);
      wired.userData = mesh.userData;
      wires.add(wired);
    }
    if (!wires.parent) content.add(wires);
    spread(apart);
  }

  async function needDepth(range) {
    if (shown.get(meshes[0]).depth) return;
    if (!urls.depth) {
      for (const mesh of meshes) shown.get(mesh).depth = keep(depthRamp(range, mesh.userData.soft));
      return;
    }
    // The preview's own colours, laid on the mesh: the map and the scene then match to the pixel.
    const texture = keep(await new TextureLoader().loadAsync(urls.depth));
    texture.colorSpace = SRGBColorSpace;
    texture.flipY = false; // glTF's v runs downwards
    texture.anisotropy = renderer.capabilities.getMaxAnisotropy();
    for (const mesh of meshes) shown.get(mesh).depth = basic({ map: texture });
  }

  async function needPoints() {
    if (points) return;
    const geometry = keep(await new PLYLoader().loadAsync(urls.points));
    shuffle(geometry);
    const material = keep(
      new PointsMaterial({ vertexColors: geometry.hasAttribute("color"), sizeAttenuation: false, toneMapped: false }),
    );
    points = new Points(geometry, material);
    points.visible = false;
    content.add(points);
  }

  /** Move the layers apart along the photo's rays, the farther ones more: from the photo's camera nothing changes. */
  function spread(amount) {
    apart = amount;
    for (const mesh of [...meshes, ...wires.children]) mesh.scale.setScalar(1 + amount * mesh.userData.rank);
  }

  return {
    meshes,
    file,
    load,
    spread,
    tint: tint.set,
    /** @param range the distances that depth colours span */
    async show(next, range) {
      mode = next;
      if (next === "wireframe") needWires();
      if (next === "depth") await needDepth(range);
      if (next === "points") await needPoints();
      if (mode !== next) return; // another mode was asked for in the meantime
      for (const mesh of meshes) {
        mesh.visible = next !== "points" && !(next === "wireframe" && mesh.userData.soft);
        mesh.material = shown.get(mesh)[next] ?? shown.get(mesh).mesh;
      }
      wires.visible = next === "wireframe";
      if (points) points.visible = next === "points";
    },
    /** As many points as can be told apart. @param pixels the canvas's height, @param ratio canvas to CSS pixels */
    fit(pixels, ratio, camera, photoCamera) {
      if (!points) return;
      const { fy, width, height } = photoCamera;
      const photoHeight = (pixels * (height / (2 * fy))) / Math.tan((camera.fov * Math.PI) / 360);
      const area = photoHeight * photoHeight * (width / height);
      const { count } = points.geometry.attributes.position;
      const shown = Math.min(count, Math.round(area / (POINT_DISTANCE * ratio) ** 2));
      points.geometry.setDrawRange(0, shown);
      points.material.size = Math.max(1, Math.sqrt(area / shown) * POINT_SIZE);
    },
    destroy() {
      content.removeFromParent();
      for (const thing of disposables) thing.dispose();
    },
  };
}

/** `userData.rank`, 0 for the nearest layer to 1 for the farthest: all parts of a thing are one layer. */
function rankLayers(meshes) {
  const layers = new Map();
  for (const mesh of meshes) {
    const key = mesh.userData.segment || mesh;
    layers.set(key, [...(layers.get(key) ?? []), mesh]);
  }
  const sorted = [...layers.values()]
    .map((group) => ({ group, depth: Math.min(...group.map(middleDepth)) }))
    .sort((a, b) => a.depth - b.depth);
  sorted.forEach(({ group }, place) => {
    for (const mesh of group) mesh.userData.rank = sorted.length > 1 ? place / (sorted.length - 1) : 0;
  });
}

function middleDepth({ geometry }) {
  const { position } = geometry.attributes;
  const step = Math.max(1, Math.floor(position.count / 200));
  const depths = [];
  for (let index = 0; index < position.count; index += step) depths.push(-position.getZ(index));
  return depths.sort((a, b) => a - b)[depths.length >> 1];
}

/** Mixes the points, so that the first n of them are an even sample of all. The same mix every time. */
function shuffle(geometry) {
  const lists = Object.values(geometry.attributes);
  let seed = 1;
  for (let last = geometry.attributes.position.count - 1; last > 0; last -= 1) {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0; // Numerical Recipes' generator: random enough for a look
    const other = Math.floor((seed / 2 ** 32) * (last + 1));
    for (const { array, itemSize } of lists) {
      for (let part = 0; part < itemSize; part += 1) {
        const kept = array[last * itemSize + part];
        array[last * itemSize + part] = array[other * itemSize + part];
        array[other * itemSize + part] = kept;
      }
    }
  }
}
