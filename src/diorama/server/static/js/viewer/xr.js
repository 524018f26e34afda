// The scene through a headset or a phone's camera, where the browser can (WebXR).

const METRES = 1.6; // how far away the middle of a scene without metres stands

const KINDS = { vr: "immersive-vr", ar: "immersive-ar" };

/** @returns {Promise<string[]>} of "vr" and "ar" those that this browser and device have */
export async function xrKinds() {
  if (!navigator.xr) return [];
  const asked = Object.entries(KINDS).map(async ([kind, mode]) => {
    const has = await navigator.xr.isSessionSupported(mode).catch(() => false);
    return has ? kind : null;
  });
  return (await Promise.all(asked)).filter(Boolean);
}

export function createXr({ renderer, scene, camera, pivot, content, extent, about, request, home }) {
  let session = null;

  /** Heads are where the photo's camera was, and lengths are metres. */
  const enlarge = (scale) => {
    pivot.scale.setScalar(scale);
    pivot.position.z = -extent.middle * scale;
    pivot.rotation.set(0, 0, 0);
    content.position.z = extent.middle;
  };
  const ended = () => {
    session = null;
    renderer.setAnimationLoop(null);
    renderer.xr.enabled = false;
    enlarge(1);
    home();
    request();
  };
  return {
    /** @param kind "vr" or "ar" */
    async start(kind) {
      if (session) return;
      renderer.xr.enabled = true;
      renderer.xr.setReferenceSpaceType("local"); // where the head is at the start
      try {
        session = await navigator.xr.requestSession(KINDS[kind]);
        session.addEventListener("end", ended);
        await renderer.xr.setSession(session);
      } catch (error) {
        await session?.end().catch(() => {});
        renderer.xr.enabled = false;
        session = null;
        throw error;
      }
      enlarge(about.units === "metric" ? 1 : METRES / extent.middle);
      renderer.setAnimationLoop(() => renderer.render(scene, camera));
    },
    destroy() {
      void session?.end();
    },
  };
}
