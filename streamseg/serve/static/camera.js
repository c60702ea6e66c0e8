// One source: its image, its state, its curves.
import { Curve } from "./curve.js";
import { Live } from "./live.js";
import { Painter } from "./painter.js";
import { duration, setText, shortName } from "./words.js";

const TITLES = {
  connecting: "Connecting",
  lost: "Connection lost",
  reconnecting: "Reconnecting",
  ended: "Ended",
};

function isLost({ state }) {
  return state === "lost" || state === "reconnecting";
}

export class Camera {
  /** `page`: {show, select(camera), remove(camera), onFrame(camera)}. */
  constructor(index, page) {
    this.index = index;
    this.page = page;
    const template = document.getElementById("camera-template");
    this.element = template.content.firstElementChild.cloneNode(true);
    const find = (selector) => this.element.querySelector(selector);
    this.canvas = find("canvas");
    this.curtain = find(".curtain");
    this.title = find(".title");
    this.removeButton = find(".remove");
    this.fps = new Curve(find(".fps"), "fps");
    this.latency = new Curve(find(".latency"), "ms");
    this.painter = new Painter(this.canvas);
    this.frame = null;
    this.element.dataset.index = index;
    this.element.addEventListener("focusin", () => page.select(this));
    this.element.addEventListener("pointerdown", () => page.select(this));
    this.canvas.addEventListener("dblclick", () => this.toggleFull());
    find(".full").addEventListener("click", () => this.toggleFull());
    this.removeButton.addEventListener("click", () => page.remove(this));
    this.live = new Live(index, (frame) => this.receive(frame));
    this.live.choose(page.show.video);
    this.isVisible = false;
    this.observer = new IntersectionObserver(([entry]) => {
      this.isVisible = entry.isIntersecting;
      this.watchIfSeen();
    });
    this.observer.observe(this.element);
    this.resized = new ResizeObserver(() => this.repaint());
    this.resized.observe(this.canvas);
  }

  close() {
    this.isClosed = true;
    this.observer.disconnect();
    this.resized.disconnect();
    this.live.stop();
    this.frame?.bitmap.close();
    this.frame = null;
    this.element.remove();
  }

  /** Frames are sent only to a page that shows them. */
  watchIfSeen() {
    const isOver = this.state === "ended" && this.frame;
    if (this.isVisible && !document.hidden && !isOver) this.live.start();
    else this.live.stop();
  }

  receive(frame) {
    return new Promise((done) => requestAnimationFrame(() => {
      if (this.isClosed) return frame.bitmap.close();
      this.frame?.bitmap.close();
      this.frame = frame;
      this.repaint();
      this.page.onFrame(this);
      done();
    }));
  }

  repaint() {
    if (!this.frame) return;
    const { width, height } = this.frame.result;
    this.element.style.setProperty("--aspect", `${width} / ${height}`);
    this.painter.paint(this.frame, this.page.show);
    this.canvas.dataset.frame = this.frame.result.index;
    this.canvas.dataset.format = this.frame.video ? "h264" : "jpeg";
  }

  /** Take over what the server says once a second. */
  update(source, isPaused, mayRemove) {
    this.state = source.state;
    setText(this.title, shortName(source.name));
    this.title.title = source.name;
    this.canvas.setAttribute("role", "img");
    this.canvas.setAttribute("aria-label", `${source.name}, ${source.state}`);
    this.element.dataset.state = source.state;
    this.element.classList.toggle("paused", isPaused);
    this.removeButton.hidden = !mayRemove;
    const isLive = source.state === "live";
    this.fps.add(isLive ? source.fps : null);
    this.latency.add(isLive ? source.latency_ms : null);
    this.showState(source, isPaused);
    this.live.expect(source.frames);
    this.watchIfSeen();
  }

  showState(source, isPaused) {
    const [headline, details] = this.curtain.children;
    let title = "", text = "";
    if (source.state !== "live") {
      const since = ` for ${duration(source.since_seconds)}`;
      title = TITLES[source.state] + (source.state === "ended" ? "" : since);
      text = source.reason + (source.attempt ? ` (try ${source.attempt})` : "");
    } else if (isPaused) {
      title = "Paused";
    } else if (!this.frame) {
      title = "Waiting for the first frame";
    }
    this.element.classList.toggle("covered", title !== "");
    // what can still be seen, and is in order, is not covered
    this.element.classList.toggle("badge", Boolean(this.frame) && !text && !isLost(source));
    setText(headline, title);
    setText(details, text);
  }

  toggleFull() {
    if (document.fullscreenElement) document.exitFullscreen();
    else this.element.requestFullscreen?.();
  }
}
