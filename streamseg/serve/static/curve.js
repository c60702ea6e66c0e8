// A running curve: one value a second, the newest on the right.
import { setText } from "./words.js";

const MOST = 60;

export class Curve {
  constructor(element, unit) {
    this.line = element.querySelector("polyline");
    this.output = element.querySelector("output");
    this.unit = unit;
    this.values = [];
  }

  add(value) {
    this.values.push(value ?? 0);
    if (this.values.length > MOST) this.values.shift();
    const most = Math.max(...this.values, 1e-9);
    const points = this.values.map((one, i) => {
      const x = 100 - (this.values.length - 1 - i) * (100 / (MOST - 1));
      return `${x.toFixed(1)},${(22 - 20 * (one / most)).toFixed(1)}`;
    });
    this.line.setAttribute("points", points.join(" "));
    setText(this.output, value === null ? "–" : `${format(value)} ${this.unit}`);
  }
}

function format(value) {
  return value < 10 ? value.toFixed(1) : String(Math.round(value));
}
