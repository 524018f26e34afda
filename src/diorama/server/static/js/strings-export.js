// The sentences about files that are made on demand; strings.js has the others.

export const EXPORT = {
  title: "Export",
  lead: "Other formats, with options. Each is made when you ask for it, and kept.",
  format: "Format",
  groups: { scene: "3D scene", print: "3D printing", picture: "Maps and pictures", film: "Films and stereo", share: "To share" },
  make: "Make",
  asking: "Asking…",
  needsStep: { enhanced: "from step 3 on", final: "from step 4 on" },
  needsPackage: "needs a package",
  install: (label, command) => `${label} needs a package that this server doesn't have. To install it: ${command}`,
  later: (label, step) => `${label} needs what ${step} makes.`,
  made: "Made",
  queued: "Waiting for its turn",
  bar: (label) => `${label}: progress`,
  cancel: (label) => `Cancel ${label}`,
  remove: (label) => `Remove ${label}`,
  again: "Try again",
  done: (label) => `${label} is ready.`,
  failed: (label) => `${label} could not be made.`,
<<<<<<< HEAD
  download: (name, size) => `Download ${name}, ${size}`,
  preview: (label) => `Preview: ${label}`,
=======
>>>>>>> 3dcc0d3 (serve --lan: HTTPS, a token, QR codes; axe-core on the page and shared pages; a test of every viewer tool)
  on: "on",
  off: "off",
};
