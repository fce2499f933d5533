// Pictures as numbers: { height, width, channels, values } with values from 0 to 1, row by row, and the way to and from canvases.

export function picture(height, width, channels, values) {
  return { height, width, channels, values };
}

/** A picture out of nested lists of intensities from 0 to `white`. */
export function fromInstance(instance, { height, width, channels, white }) {
  return picture(height, width, channels, Float32Array.from(instance.flat(2), (value) => value / white));
}

/** Nested lists of intensities from 0 to `white`, rounded to `step`. */
export function toInstance({ height, width, channels, values }, white, step) {
  const at = (index) => Number((Math.round((values[index] * white) / step) * step).toFixed(4));
  return Array.from({ length: height }, (_, y) =>
    Array.from({ length: width }, (_, x) => {
      const first = (y * width + x) * channels;
      return channels === 1 ? at(first) : Array.from({ length: channels }, (_, channel) => at(first + channel));
    }),
  );
}

/** Paints the picture on a canvas, which takes its size. */
export function paint(canvas, { height, width, channels, values }) {
  canvas.width = width;
  canvas.height = height;
  const image = new ImageData(width, height);
  for (let pixel = 0; pixel < width * height; pixel++) {
    for (let channel = 0; channel < 3; channel++) {
      const value = values[pixel * channels + (channels === 1 ? 0 : channel)];
      image.data[pixel * 4 + channel] = Math.round(Math.min(1, Math.max(0, value)) * 255);
    }
    image.data[pixel * 4 + 3] = 255;
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
}

/** The picture on a canvas; grey from the red channel, which equals the others where only grey is drawn. */
export function read(canvas, channels) {
  const { data } = canvas.getContext("2d", { willReadFrequently: true }).getImageData(0, 0, canvas.width, canvas.height);
  const values = new Float32Array(canvas.width * canvas.height * channels);
  for (let index = 0; index < values.length; index++) {
    values[index] = data[Math.floor(index / channels) * 4 + (index % channels)] / 255;
  }
  return picture(canvas.height, canvas.width, channels, values);
}

/** Where the ink of a grey picture is: its box and its centre of mass in shares of the size; null without ink. */
export function extent({ height, width, values }) {
  let [top, left, bottom, right, mass, sumX, sumY] = [height, width, 0, 0, 0, 0, 0];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const value = values[y * width + x];
      if (value < 0.1) continue;
      [top, bottom] = [Math.min(top, y), Math.max(bottom, y + 1)];
      [left, right] = [Math.min(left, x), Math.max(right, x + 1)];
      mass += value;
      sumX += value * (x + 0.5);
      sumY += value * (y + 0.5);
    }
  }
  if (!mass) return null;
  const box = { top: top / height, left: left / width, bottom: bottom / height, right: right / width };
  return { ...box, x: sumX / mass / width, y: sumY / mass / height };
}

/** How the examples lie in their pictures, on average: the longer side of their box and their centre of mass. */
export function habit(pictures) {
  const extents = pictures.map(extent).filter(Boolean);
  const mean = (of) => extents.reduce((sum, one) => sum + of(one), 0) / extents.length;
  return extents.length ? { side: mean(longerSide), x: mean((one) => one.x), y: mean((one) => one.y) } : null;
}

function longerSide({ top, left, bottom, right }) {
  return Math.max(bottom - top, right - left);
}

/** `source` at another size, each cell the mean of what it covers; with `like`, scaled and moved to lie like that. */
export function resample(source, height, width, like = null) {
  const { scale, x, y } = like ? placement(extent(source), like) : { scale: 1, x: 0, y: 0 };
  const values = new Float32Array(height * width * source.channels);
  for (let row = 0; row < height; row++) {
    const [top, bottom] = [(row / height - y) / scale, ((row + 1) / height - y) / scale];
    for (let column = 0; column < width; column++) {
      const [left, right] = [(column / width - x) / scale, ((column + 1) / width - x) / scale];
      for (let channel = 0; channel < source.channels; channel++) {
        const area = [top * source.height, bottom * source.height, left * source.width, right * source.width];
        values[(row * width + column) * source.channels + channel] = mean(source, channel, area);
      }
    }
  }
  return picture(height, width, source.channels, values);
}

/** Scale and shift (in shares) that bring ink of this extent to lie like the examples, without cutting any of it off. */
function placement(ink, like) {
  const scale = like.side / longerSide(ink);
  const shift = (low, high, centre, wanted) => {
    const free = wanted - centre * scale;
    return Math.min(Math.max(free, -low * scale), 1 - high * scale);
  };
  return { scale, x: shift(ink.left, ink.right, ink.x, like.x), y: shift(ink.top, ink.bottom, ink.y, like.y) };
}

/** Mean of one channel over an area that need not end at whole pixels; outside the picture is 0. */
function mean({ height, width, channels, values }, channel, [top, bottom, left, right]) {
  let sum = 0;
  for (let y = Math.max(0, Math.floor(top)); y < Math.min(height, bottom); y++) {
    const tall = Math.min(y + 1, bottom) - Math.max(y, top);
    for (let x = Math.max(0, Math.floor(left)); x < Math.min(width, right); x++) {
      const wide = Math.min(x + 1, right) - Math.max(x, left);
      sum += tall * wide * values[(y * width + x) * channels + channel];
    }
  }
  return sum / ((bottom - top) * (right - left));
}

/** The file of a canvas as PNG. */
export function toPng(canvas) {
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}

/** Paints a `data:` URL; the page's policy lets no such URL into an <img>. */
export async function paintDataUrl(canvas, url) {
  const bytes = Uint8Array.from(atob(url.slice(url.indexOf(",") + 1)), (letter) => letter.charCodeAt(0));
  const bitmap = await createImageBitmap(new Blob([bytes]));
  canvas.width = bitmap.width;
  canvas.height = bitmap.height;
  canvas.getContext("2d").drawImage(bitmap, 0, 0);
}
