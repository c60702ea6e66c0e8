// The list of who is in view.
import { duration, setText } from "./words.js";

const GONE_AFTER_MS = 1500, NEW_IMAGE_AFTER_MS = 4000, IMAGE_SIDE = 88;

export class InView {
  /** `onChoose(name)`: a name was clicked, or null. */
  constructor(onChoose) {
    this.list = document.getElementById("in-view");
    this.count = document.getElementById("in-view-count");
    this.nobody = document.getElementById("nobody");
    this.template = document.getElementById("instance-template");
    this.onChoose = onChoose;
    this.rows = new Map();
    this.chosen = null;
  }

  /** Take over the newest frame of a camera. */
  see(camera, now) {
    const { frame } = camera;
    for (const { name, colour, since_seconds } of frame.shown) {
      const key = `${camera.index}/${name}`;
      const isNew = !this.rows.has(key);
      if (isNew) this.rows.set(key, this.newRow(key, camera, name, colour));
      const row = this.rows.get(key);
      const instance = frame.instances.get(name);
      row.seen = now;
      row.since = now - 1000 * since_seconds;
      row.instance = instance;
      const isBetter = instance.score > row.imageScore + 0.05;
      if (isBetter || now - row.imageAt > NEW_IMAGE_AFTER_MS) {
        takeImage(row, frame, instance.box);
        row.imageScore = instance.score;
        row.imageAt = now;
      }
      if (isNew) this.write(row, "");
    }
  }

  /** Write what has changed; called a few times a second. */
  refresh(now, cameras, isPaused) {
    for (const [key, row] of this.rows) {
      const camera = cameras.get(row.index);
      if (camera && (isPaused || now - row.seen < GONE_AFTER_MS)) {
        this.write(row, cameras.size > 1 ? camera.title.textContent : "");
        continue;
      }
      row.element.remove();
      this.rows.delete(key);
      if (this.chosen === row.name) this.choose(null);
    }
    const isAnybody = this.rows.size > 0;
    if (this.nobody.hidden !== isAnybody) this.nobody.hidden = isAnybody;
    setText(this.count, String(this.rows.size || ""));
  }

  write(row, place) {
    const { score, class: what } = row.instance;
    setText(row.score, `${Math.round(100 * score)}%`);
    setText(row.what, place ? `${what} · ${place}` : what);
    setText(row.sinceText, duration((row.seen - row.since) / 1000));
  }

  /** Show one name and dim the others; null shows all. */
  choose(name) {
    this.chosen = name;
    for (const row of this.rows.values()) {
      row.button.setAttribute("aria-pressed", String(row.name === name));
      row.element.classList.toggle("dim", name !== null && row.name !== name);
    }
    this.onChoose(name);
  }

  /** Choose the next name of the list, or the one before. */
  step(by) {
    const rows = [...this.list.children].map((element) => this.rows.get(element.dataset.key));
    if (!rows.length) return;
    const at = rows.findIndex((row) => row.name === this.chosen);
    const next = at < 0 ? (by > 0 ? 0 : rows.length - 1) : (at + by + rows.length) % rows.length;
    this.choose(rows[next].name);
    rows[next].element.scrollIntoView({ block: "nearest" });
  }

  newRow(key, camera, name, colour) {
    const element = this.template.content.firstElementChild.cloneNode(true);
    const find = (selector) => element.querySelector(selector);
    element.dataset.key = key;
    element.style.setProperty("--colour", colour);
    find(".name").textContent = name;
    const button = find("button");
    button.addEventListener("click", () => this.choose(this.chosen === name ? null : name));
    this.list.append(element);
    this.nobody.hidden = true;
    element.classList.toggle("dim", this.chosen !== null && this.chosen !== name);
    return {
      element, button, name, index: camera.index,
      image: find("canvas").getContext("2d", { alpha: false }),
      score: find(".score"), what: find(".what"), sinceText: find(".since"),
      imageAt: -Infinity, imageScore: -1,
    };
  }
}

/** Cut a square around the box out of the frame. */
function takeImage(row, { bitmap, result }, [x0, y0, x1, y1]) {
  const ratio = bitmap.width / result.width;
  const wanted = 1.15 * ratio * Math.max(x1 - x0, y1 - y0);
  const side = Math.min(wanted, bitmap.width, bitmap.height);
  const x = clamp(ratio * (x0 + x1) / 2 - side / 2, 0, bitmap.width - side);
  const y = clamp(ratio * (y0 + y1) / 2 - side / 2, 0, bitmap.height - side);
  row.image.drawImage(bitmap, x, y, side, side, 0, 0, IMAGE_SIDE, IMAGE_SIDE);
}

function clamp(value, least, most) {
  return Math.max(least, Math.min(value, most));
}
