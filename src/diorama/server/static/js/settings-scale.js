// From a slider's position to a setting's value and back.

const POSITION_OF_DEFAULT = 0.35;

/**
 * A slider whose default would stick to its left end is bent, so that the default lies at about a third of the way:
 * 1,000 to 4,000,000 triangles with a default of 100,000, for example.
 */
export function scaleOf({ minimum, maximum, step, fallback }) {
  const share = (fallback - minimum) / (maximum - minimum);
  const bend = share > 0 && share < 0.13 ? Math.log(share) / Math.log(POSITION_OF_DEFAULT) : 1;
  const decimals = (String(step).split(".")[1] ?? "").length;
  const snap = (value) => {
    const snapped = Math.round((value - minimum) / step) * step + minimum;
    return Number(Math.min(maximum, Math.max(minimum, onGrid(snapped, minimum, step))).toFixed(decimals));
  };
  return {
    decimals,
    toPosition: (value) => ((value - minimum) / (maximum - minimum)) ** (1 / bend),
    toValue: (position) => snap(minimum + (maximum - minimum) * position ** bend),
  };
}

/** Multiples of the step where the minimum is none (1,000 with a step of 5,000 gives 5,000, 10,000, ...). */
function onGrid(value, minimum, step) {
  const off = (minimum / step) % 1;
  return off === 0 || value <= minimum ? value : Math.round(value / step) * step;
}
