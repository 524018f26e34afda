// What is seen, as a file.

/**
 * @param draw draws at once: a canvas forgets its picture when the browser has shown it
 * @param outside { x, y }: the shares of the canvas, on each side, that aren't shown
 */
export function takePicture(canvas, draw, { x, y }) {
  draw();
  const [left, top] = [Math.round(canvas.width * x), Math.round(canvas.height * y)];
  const seen = document.createElement("canvas");
  seen.width = canvas.width - 2 * left;
  seen.height = canvas.height - 2 * top;
  seen.getContext("2d").drawImage(canvas, -left, -top);
  return new Promise((resolve, reject) => {
    seen.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("no picture"))), "image/png");
  });
}

/** Give a file to the person. */
export function download(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
