// Inline SVG, 24 x 24, drawn with the text's colour. Constants only: dom.js puts them in with innerHTML.

const line = (body) =>
  `<svg viewBox="0 0 24 24" width="24" height="24" fill="none" stroke="currentColor" stroke-width="1.75" stroke-linecap="round" stroke-linejoin="round">${body}</svg>`;

export const ICONS = {
  logo: `<svg viewBox="0 0 32 32" width="32" height="32"><rect width="32" height="32" rx="8" fill="var(--brand)"/><path d="M7 8.5h18v3H10v9H7z" fill="#ffd9c2" opacity=".55"/><path d="M10 11.5h15v3H13V23h-3z" fill="#ffe4d3" opacity=".8"/><path d="M13 14.5h12V24H13z" fill="#fff"/><path d="M13 24l4.2-5.2 2.3 2.6 1.8-1.9L25 24z" fill="var(--brand)"/></svg>`,
  sun: line(
    '<circle cx="12" cy="12" r="4"/><path d="M12 3v1.5M12 19.5V21M3 12h1.5M19.5 12H21M5.6 5.6l1.1 1.1M17.3 17.3l1.1 1.1M5.6 18.4l1.1-1.1M17.3 6.7l1.1-1.1"/>',
  ),
  moon: line('<path d="M20 14.5A8.5 8.5 0 0 1 9.5 4a8.5 8.5 0 1 0 10.5 10.5z"/>'),
  check: line('<path d="M5 12.5l4.5 4.5L19 7.5"/>'),
  file: line('<path d="M4 17v1.5A1.5 1.5 0 0 0 5.5 20h13a1.5 1.5 0 0 0 1.5-1.5V17M12 15V4M8 8l4-4 4 4"/>'),
  share: line('<path d="M12 15V4M8.5 7.5L12 4l3.5 3.5M7 11H5.5v9h13v-9H17"/>'),
  folder: line(
    '<path d="M3.5 18V6.5A1.5 1.5 0 0 1 5 5h4l2 2.5h8A1.5 1.5 0 0 1 20.5 9v9a1.5 1.5 0 0 1-1.5 1.5H5A1.5 1.5 0 0 1 3.5 18z"/>',
  ),
  camera: line(
    '<path d="M4.5 19h15a1.5 1.5 0 0 0 1.5-1.5v-9A1.5 1.5 0 0 0 19.5 7H16l-1.5-2.5h-5L8 7H4.5A1.5 1.5 0 0 0 3 8.5v9A1.5 1.5 0 0 0 4.5 19z"/><circle cx="12" cy="13" r="3.5"/>',
  ),
  picture: line(
    '<rect x="3.5" y="4.5" width="17" height="15" rx="2"/><circle cx="8.5" cy="9.5" r="1.5"/><path d="M4 17l5-4.5 3 2.5 3.5-4 5 5"/>',
  ),
  close: line('<path d="M6.5 6.5l11 11M17.5 6.5l-11 11"/>'),
  trash: line(
    '<path d="M4.5 7h15M9.5 7V5a1 1 0 0 1 1-1h3a1 1 0 0 1 1 1v2M6.5 7l.8 11.6A1.5 1.5 0 0 0 8.8 20h6.4a1.5 1.5 0 0 0 1.5-1.4L17.5 7M10 11v5M14 11v5"/>',
  ),
  arrow: line('<path d="M5 12h13M13 6.5l5.5 5.5-5.5 5.5"/>'),
  left: line('<path d="M19 12H6M11 6.5L5.5 12l5.5 5.5"/>'),
  warning: line('<path d="M12 4.5L2.8 19.5h18.4zM12 10.5v4M12 17v.1"/>'),
  info: line('<circle cx="12" cy="12" r="8.5"/><path d="M12 11v5M12 8v.1"/>'),
  download: line('<path d="M12 4v11M7.5 11l4.5 4.5 4.5-4.5M5 20h14"/>'),
  reset: line('<path d="M4.5 12a7.5 7.5 0 1 0 2.3-5.4L4.5 9M4.5 4.5V9H9"/>'),
  full: line('<path d="M4.5 9V4.5H9M15 4.5h4.5V9M19.5 15v4.5H15M9 19.5H4.5V15"/>'),
  shrink: line('<path d="M9 4.5V9H4.5M19.5 9H15V4.5M15 19.5V15h4.5M4.5 15H9v4.5"/>'),
  motion: line('<path d="M3 12c2-4 4-4 6 0s4 4 6 0 4-4 6 0"/>'),
  mesh: line('<path d="M12 3.5l8 4.5v8l-8 4.5L4 16V8zM4 8l8 4.5L20 8M12 12.5v8"/>'),
  points: line(
    '<g stroke-width="2.6"><path d="M6 6v.01M12 6v.01M18 6v.01M6 12v.01M12 12v.01M18 12v.01M6 18v.01M12 18v.01M18 18v.01"/></g>',
  ),
  wireframe: line('<path d="M4 5h16v14H4zM4 5l16 14M12 5v14M4 12h16M12 5l8 7M4 12l8 7"/>'),
  depth: line('<circle cx="12" cy="12" r="8.5"/><circle cx="12" cy="12" r="5"/><circle cx="12" cy="12" r="1.5"/>'),
  eye: line(
    '<path d="M2.5 12S6 5.5 12 5.5 21.5 12 21.5 12 18 18.5 12 18.5 2.5 12 2.5 12z"/><circle cx="12" cy="12" r="3"/>',
  ),
  shield: line('<path d="M12 3.5l7.5 3v5c0 4.5-3 7.7-7.5 9-4.5-1.3-7.5-4.5-7.5-9v-5zM9 12l2.2 2.2L15.2 10"/>'),
  cube: line('<path d="M12 3.5l8 4.5v8l-8 4.5L4 16V8zM4 8l8 4.5L20 8M12 12.5v8"/>'),
  layers: line('<path d="M12 4l8.5 4.5L12 13 3.5 8.5zM4.5 12.5L12 16.5l7.5-4M4.5 16l7.5 4 7.5-4"/>'),
  frame: line('<path d="M7.5 3v18M16.5 3v18M3 7.5h18M3 16.5h18"/>'),
  tag: line('<path d="M4 4h7.5l8.5 8.5-7.5 7.5L4 11.5zM8 8v.01"/>'),
  spark: line('<path d="M12 3.5l1.9 5.6 5.6 1.9-5.6 1.9L12 18.5l-1.9-5.6L4.5 11l5.6-1.9zM19 16.5v4M17 18.5h4"/>'),
  film: line(
    '<rect x="3.5" y="5" width="17" height="14" rx="2"/><path d="M8 5v14M16 5v14M3.5 9.7H8M3.5 14.3H8M16 9.7h4.5M16 14.3h4.5"/>',
  ),
  link: line(
    '<path d="M10 14a4 4 0 0 0 6 .4l3-3a4 4 0 0 0-5.7-5.7l-1.5 1.5M14 10a4 4 0 0 0-6-.4l-3 3a4 4 0 0 0 5.7 5.7l1.5-1.5"/>',
  ),
  plus: line('<path d="M12 5.5v13M5.5 12h13"/>'),
  question: line('<path d="M9.3 9.3a2.8 2.8 0 1 1 3.9 2.6c-.8.4-1.2.900-1.2 1.8M12 17v.01"/>'),
  grip: line('<path d="M9.5 7L4.5 12l5 5M14.5 7l5 5-5 5"/>'),
  pen: line('<path d="M5 19l1-4L16 5l3 3L9 18zM14 7l3 3"/>'),
  merge: line('<path d="M5 5c0 6 7 4 7 10v4M19 5c0 6-7 4-7 10M9 16.5l3 3 3-3"/>'),
  split: line('<circle cx="6.5" cy="6.5" r="2.5"/><circle cx="6.5" cy="17.5" r="2.5"/><path d="M8.500 8L20 18M8.500 16L20 6"/>'),
  more: line('<g stroke-width="2.6"><path d="M5.5 12v.01M12 12v.01M18.500 12v.01"/></g>'),
  blur: line('<circle cx="12" cy="12" r="8.5"/><path d="M12 3.500l4.500 7.800M20.400 10.500h-9M17 19l-4.500-7.800M7 19l4.500-7.800M3.600 13.500h9M7 5l4.500 7.800"/>'),
  explode: line('<path d="M12 3l7.500 3.700L12 10.400 4.500 6.700zM4.500 12l7.500 3.700 7.500-3.700M4.500 17.300L12 21l7.500-3.700"/>'),
  ruler: line('<path d="M3 15.500L15.500 3 21 8.500 8.500 21zM7 11.500l2 2M10 8.500l2.500 2.500M13 5.500l2 2"/>'),
  phone: line('<rect x="7" y="3" width="10" height="18" rx="2"/><path d="M3 9.500v5M21 9.500v5"/>'),
  headset: line('<path d="M4 8.500h16a1 1 0 0 1 1 1v6.500a1 1 0 0 1-1 1h-4.500l-2-2.500h-3l-2 2.500H4a1 1 0 0 1-1-1V9.500a1 1 0 0 1 1-1z"/>'),
  keyboard: line('<rect x="3" y="6" width="18" height="12" rx="2"/><path d="M7 10v.01M10.500 10v.01M14 10v.01M17 10v.01M8 14.500h8"/>'),
};
