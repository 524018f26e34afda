// The layers moved apart, seen from the side.

const SPREAD = 0.9; // how much farther away the last layer goes, as a share of its distance
const AZIMUTH = 0.5; // where the camera goes by itself, and how far a hand may take it, in radians
const POLAR = 0.2;
const WIDE = { azimuth: 1.2, polar: 0.7, nearest: 0.5, farthest: 4 };

export function createExplode({ camera, controls, extent, limits, modes, request, within, home, moved, showWindow }) {
  let amount = 0;

  const apply = () => modes().spread(amount * SPREAD);
  return {
    /** @param share 0: as it is; 1: wide apart */
    set(share) {
      if (share === amount) return;
      amount = share;
      apply();
      showWindow();
      moved();
      if (!amount) {
        within(limits);
        home();
        request();
        return;
      }
      within(WIDE);
      // About the middle of what has become deeper, and as far away as all of it is seen from.
      controls.target.set(0, 0, -extent.middle * (1 + (SPREAD / 2) * amount));
      const distance = extent.middle * (1 + 1.3 * amount);
      camera.position.setFromSphericalCoords(distance, Math.PI / 2 - POLAR * amount, -AZIMUTH * amount);
      camera.position.add(controls.target);
      controls.update();
      request();
    },
    amount: () => amount,
    /** For a scene that has come in the place of another. */
    again: apply,
  };
}
