// H.264 of one source through MediaSource: each frame with its result as it comes on the screen.

const LONGEST_LAG_SECONDS = 1, CATCH_UP_RATE = 1.2;
const KEPT_SECONDS = 5;
const SAME_SECONDS = 0.001;  // frames are at least 2 ms apart

const Source = globalThis.ManagedMediaSource ?? globalThis.MediaSource;

export class Video {
  static isPossible() {
    return Boolean(Source) && typeof OffscreenCanvas === "function" && typeof VideoFrame === "function"
      && "requestVideoFrameCallback" in HTMLVideoElement.prototype;
  }

  constructor(onFrame) {
    this.onFrame = onFrame;
    this.canvas = new OffscreenCanvas(1, 1);
    this.context = this.canvas.getContext("2d", { alpha: false });
    this.done = Promise.resolve();
    this.nextNumber = null;
  }

  /** The promise is done when the next message may come; it fails if the video cannot be shown. */
  take(head, data) {
    this.done = this.done.then(() => this.append(head, data));
    return this.done;
  }

  close() {
    this.isClosed = true;
    this.stop();
  }

  stop() {
    if (!this.element) return;
    this.element.removeAttribute("src");
    this.element.load();
    this.element = this.buffer = null;
  }

  async append(head, data) {
    if (this.isClosed) return;
    const { number, seconds, mime } = head.video;
    // the first frame, and the first one after frames that the server has left out
    if (number !== this.nextNumber) await this.start(mime, seconds);
    this.nextNumber = number + 1;
    this.heads.push(head);
    await this.change((buffer) => buffer.appendBuffer(data));
    if (this.isClosed) return;
    this.keepUp(seconds - this.origin);
    const old = this.element.currentTime - KEPT_SECONDS;
    if (mime && old > 0) await this.change((buffer) => buffer.remove(0, old));
  }

  async start(mime, seconds) {
    this.stop();
    if (!Source.isTypeSupported(mime)) throw new Error(`this browser does not play ${mime}`);
    const media = new Source();
    const element = this.element = document.createElement("video");
    element.muted = element.playsInline = element.disableRemotePlayback = true;
    element.addEventListener("error", () => this.fail?.(element.error));
    const url = URL.createObjectURL(media);
    element.src = url;
    await this.event(media, "sourceopen");
    URL.revokeObjectURL(url);
    this.origin = seconds;
    this.heads = [];
    this.buffer = media.addSourceBuffer(mime);
    this.buffer.timestampOffset = -seconds;
    element.requestVideoFrameCallback(() => this.show(element));
    element.play().catch(() => {});  // it fails when the source is closed first
  }

  /** Change the buffer, and wait until it has changed. */
  change(act) {
    const changed = this.event(this.buffer, "updateend");
    act(this.buffer);
    return changed;
  }

  /** Wait for an event, or fail with the element. */
  event(target, name) {
    return new Promise((done, fail) => {
      this.fail = fail;
      target.addEventListener(name, done, { once: true });
    });
  }

  /** The clock of the element runs at the time of the newest frame, or after it. */
  keepUp(newest) {
    const lag = newest - this.element.currentTime;
    if (lag > LONGEST_LAG_SECONDS) this.element.currentTime = newest;
    this.element.playbackRate = lag > 0 ? CATCH_UP_RATE : 1;
  }

  show(element) {
    if (this.element !== element) return;
    element.requestVideoFrameCallback(() => this.show(element));
    // The callback says which frame it is for, but on a busy machine the element may be one further
    // by now. This image knows its own time.
    const image = new VideoFrame(element);
    const seconds = image.timestamp / 1e6 + this.origin;
    const at = this.heads.findIndex(
      ({ video }) => Math.abs(video.seconds - seconds) < SAME_SECONDS
    );
    if (at >= 0) {
      const [head] = this.heads.splice(0, at + 1).slice(-1);
      this.canvas.width = image.displayWidth;
      this.canvas.height = image.displayHeight;
      this.context.drawImage(image, 0, 0);
      this.onFrame({ ...head, bitmap: this.canvas.transferToImageBitmap() });
    }
    image.close();
  }
}
