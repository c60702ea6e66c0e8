// Draws a frame with its masks, outlines and names on a canvas.
import { decodeCounts, eachRun } from "./runs.js";

const TINT = 0.4, STRONG_TINT = 0.55, FAINT = 0.18;
const INK = "#111317";
const MOST_SCALE = 2;

/** The colour as a pixel of ImageData's memory, on machines that store the low byte first. */
function pixel(colour, alpha) {
  const red = parseInt(colour.slice(1, 3), 16);
  const green = parseInt(colour.slice(3, 5), 16);
  const blue = parseInt(colour.slice(5, 7), 16);
  return ((Math.round(255 * alpha) << 24) | (blue << 16) | (green << 8) | red) >>> 0;
}

export class Painter {
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d", { alpha: false });
    // Masks come column by column, so this layer is turned: its rows are the columns of the image.
    this.layer = document.createElement("canvas");
    this.layerContext = this.layer.getContext("2d");
    this.labels = null;
  }

  /** `frame`: {bitmap, result, shown}; `show`: {masks, outlines, names, chosen}. */
  paint(frame, show) {
    const { width, height } = frame.result;
    const { canvas, context } = this;
    const scale = Math.min(devicePixelRatio || 1, MOST_SCALE);
    const shownWidth = Math.max(1, Math.round(canvas.clientWidth * scale));
    const shownHeight = Math.max(1, Math.round(shownWidth * height / width));
    if (canvas.width !== shownWidth || canvas.height !== shownHeight) {
      canvas.width = shownWidth;
      canvas.height = shownHeight;
    }
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.drawImage(frame.bitmap, 0, 0, shownWidth, shownHeight);
    if (show.masks || show.outlines) {
      this.fillLayer(frame, show);
      context.setTransform(0, shownHeight / height, shownWidth / width, 0, 0, 0);
      context.drawImage(this.layer, 0, 0);
    }
    if (show.names) {
      context.setTransform(1, 0, 0, 1, 0, 0);
      this.writeNames(frame, show, shownWidth / width, scale);
    }
  }

  fillLayer({ result, shown, instances }, show) {
    const { width, height } = result;
    if (this.layer.width !== height || this.layer.height !== width) {
      this.layer.width = height;
      this.layer.height = width;
      this.image = this.layerContext.createImageData(height, width);
      this.pixels = new Uint32Array(this.image.data.buffer);
      this.labels = new Uint16Array(width * height);
    }
    const { pixels, labels } = this;
    pixels.fill(0);
    if (show.outlines) labels.fill(0);
    const masks = shown.map(({ name, colour }) => {
      const faint = show.chosen && show.chosen !== name;
      const tint = faint ? 0 : show.chosen ? STRONG_TINT : TINT;
      const instance = instances.get(name);
      return {
        counts: (instance.counts ??= decodeCounts(instance.rle.counts)),
        tint: show.masks ? pixel(colour, tint) : 0,
        line: pixel(colour, faint ? FAINT : 1),
      };
    });
    masks.forEach(({ counts, tint }, i) => eachRun(counts, (start, end) => {
      pixels.fill(tint, start, end);
      if (show.outlines) labels.fill(i + 1, start, end);
    }));
    if (show.outlines) masks.forEach(({ counts, line }, i) => this.outline(counts, i + 1, line));
    this.layerContext.putImageData(this.image, 0, 0);
  }

  /** Two pixels wide, as in the annotated video: one on each side of the edge. */
  outline(counts, label, line) {
    const { pixels, labels } = this;
    const column = this.layer.width, total = labels.length;
    const edge = (inside, outside) => {
      pixels[inside] = line;
      if (outside >= 0 && outside < total && labels[outside] === 0) pixels[outside] = line;
    };
    eachRun(counts, (start, end) => {
      if (start % column) edge(start, start - 1);
      if (end % column) edge(end - 1, end);
      for (let at = start; at < end; at++) {
        if (at >= column && labels[at - column] !== label) edge(at, at - column);
        if (at + column < total && labels[at + column] !== label) edge(at, at + column);
      }
    });
  }

  writeNames({ shown, instances }, show, ratio, scale) {
    const { context, canvas } = this;
    const size = Math.round(12 * scale), pad = Math.round(4 * scale), line = size + 2 * pad;
    context.font = `600 ${size}px system-ui, sans-serif`;
    context.textBaseline = "middle";
    // The first has the highest score: it is written last, on top.
    for (const { name, colour } of [...shown].reverse()) {
      const { box, score } = instances.get(name);
      const text = `${name}  ${Math.round(100 * score)}%`;
      const wide = context.measureText(text).width + 2 * pad;
      const x = Math.max(0, Math.min(box[0] * ratio, canvas.width - wide));
      const above = box[1] * ratio - line;
      const y = above >= 0 ? above : Math.min(box[3] * ratio, canvas.height - line);
      context.globalAlpha = show.chosen && show.chosen !== name ? FAINT : 1;
      context.fillStyle = colour;
      context.fillRect(x, y, wide, line);
      context.fillStyle = INK;
      context.fillText(text, x + pad, y + line / 2);
    }
    context.globalAlpha = 1;
  }
}
