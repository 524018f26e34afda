// The sentences of step 4 and of the advisor's advice; `strings.js` has the others.

export const WORD_FINAL = {
  validate: "Validate and Finish",
  lead: "Is this your scene?",
  text: "Turn it, compare it with the step before, switch off what you don't want and run it again. Then it is finished.",
  validated: "Your scene is finished.",
  validatedText: "All files are below, and it stays at this address. Running a step again asks for your word anew.",
  next: "Start with another photo",
  outdated: "AI-enhanced 3D has changed since.",
  outdatedText: "This is what was made from it before. It is made again when you validate step 3.",
  outdatedNext: "Back to AI-enhanced 3D",
};

export const FINAL = {
  title: "Final 3D",
  lead: "Texture improved, parameters tuned, everything fused into one model.",
  done: (applied, all) =>
    all === 0 ? "Nothing was suggested for this photo." : `${applied} of ${all} suggestions were followed.`,
  compare: "Before and after",
  compareLead: "The same camera, moved to the side: AI-enhanced 3D and Final 3D.",
  compareLabel: "Divider between AI-enhanced 3D and Final 3D",
  compareValue: (percent) => `${percent} % Final 3D, ${100 - percent} % AI-enhanced 3D`,
  texture: "Texture",
  textureLead: "The place where it was changed most, pixel for pixel.",
  textureLabel: "Divider between the texture before and after",
  textureValue: (percent) => `${percent} % after, ${100 - percent} % before`,
  before: "Before",
  after: "After",
  steps: "The four steps",
  stepsLead: "From the photo to the final scene; the last three from the same moved camera.",
  photo: "Photo",
};

export const SUGGESTIONS = {
  title: { enhanced: "What the advisor said of the scene", final: "What the AI suggested and what was applied" },
  by: { local: "Measured on this server; nothing was sent anywhere.", openai: "By GPT-4 and by measuring." },
  none: "The advisor found nothing that should be changed.",
  off: "No advisor was asked. Choose one under Settings.",
  topics: {
    scene: "The scene",
    segments: "Things",
    parameters: "Parameters",
    texture: "Texture",
    fusion: "Fusion",
  },
  what: {
    caption: "Description",
    fov: "Field of view",
    subject_distance: "Distance to the subject",
    roll: "Camera tilt",
    name: "Name",
    kind: "Kind",
    shape: "Shape",
    material: "Material",
    roughness: "Roughness",
    metallic: "Metalness",
    behind: "Behind it",
    merge: "One thing",
    depth_range: "Depth strength",
    cut_threshold: "Cut threshold",
    smoothing: "Smoothing",
    camera_travel: "Camera travel",
    second_look: "Second look",
    denoise: "Denoise",
    sharpen: "Sharpen",
    tone: "Tone",
    "white-balance": "White balance",
    "match-imagined": "Match what was imagined",
    "super-resolution": "Super-resolution",
    generate: "Generate texture",
    join: "Join",
    "close-back": "Close the back",
    plane: "Flatten",
    backdrop: "Backdrop",
  },
  units: { fov: "°", subject_distance: " m", roll: "°", depth_range: " ×", cut_threshold: " %", camera_travel: " %" },
  source: { local: "measured", openai: "GPT-4" },
  sure: (share) => `${share} sure`,
  follow: (what) => `Follow: ${what}`,
  state: { applied: "Applied", not: "Not applied", declined: "Switched off", later: "Takes effect in step 4" },
  change: (before, after) => (before ? `${before} → ${after}` : after),
  run: "Apply this choice",
  changes: (n) => (n === 0 ? "" : n === 1 ? "1 suggestion switched" : `${n} suggestions switched`),
  dropped: (n) => `${n === 1 ? "One answer" : `${n} answers`} could not be used`,
  all: "Switch all off",
};

export const ADVICE = {
  names: { local: "Measure on this server", openai: "GPT-4", off: "Nobody" },
  notes: {
    local: "The picture and its depth are measured on this server. No network, no key.",
    openai:
      "A small copy of the picture, with its things numbered on it, is sent to the server that OPENAI_BASE_URL names (OpenAI's otherwise), under this server's key.",
    off: "Nothing is advised; the final scene is fused as it is.",
  },
  estimate: (tokens, price) => `About ${tokens} tokens${price ? `, ${price}` : ""} for both questions.`,
  noKey: "No key is set on this server, so only measuring is possible.",
  choices: {
    optimize: { auto: "Automatic", off: "Leave as they are" },
    texture: { auto: "As far as advised", off: "Leave as it is" },
  },
};

export const COMING_FINAL = {
  title: "Final 3D",
  lead: "Texture improved, parameters tuned, everything fused into one model.",
  chip: "Waits for step 3",
  back: "Back to AI-enhanced 3D",
  validated: "AI-enhanced 3D is validated.",
  notYet: "This step starts once you have validated the AI-enhanced 3D.",
  points: [
    ["cube", "One fused scene", "Ground and walls become flat, objects get closed backs, borders are welded."],
    ["spark", "Better textures", "Less noise, more sharpness, and what was imagined matched to its surroundings."],
    ["frame", "Truer proportions", "Field of view and depth are searched for by what stands at right angles."],
    ["eye", "Nothing done behind your back", "Every suggestion is listed with its reason, and can be switched off."],
  ],
};
