// The sentences about the things in the picture; strings.js has the others.

export const SEGMENTS = {
  title: "Things in the picture",
  list: "Things",
  picture: (n) => `The photo with the outlines of ${n === 1 ? "1 thing" : `${n} things`}`,
  tools: "Change the things",
  hint: "Choose two or more to merge them. A name is changed by clicking it.",
  merge: (n) => (n < 2 ? "Merge" : `Merge ${n}`),
  split: "Split",
  splitHint: "Click on the part that is to be a thing of its own. By keys: arrows move the cross, Enter splits.",
  rename: (name) => `Rename ${name}`,
  newName: (name) => `New name for ${name}`,
  select: (name) => `Choose ${name}`,
  share: "Share of the picture",
  updating: "The scene follows…",
  updated: "The scene has been updated.",
  renamed: (before, name) => `${before} is now called ${name}.`,
  merged: (n, name) => `${n} things are merged into ${name}.`,
  splitDone: (name) => `${name} is being split.`,
  undo: "Take the last change back",
  undone: "The last change is taken back.",
  what: (kind, near, far) =>
    `${kind.charAt(0).toUpperCase()}${kind.slice(1)}, ${near === far ? near : `${near} to ${far}`} away`,
};
