// The connection of one source: frames with their results, as fast as they are drawn.
import { Images } from "./images.js";
import { Video } from "./video.js";

// codes with which the server closes
const SOURCE_IS_OVER = 1001, NO_VIDEO = 4001;
const FIRST_DELAY_MS = 250, LONGEST_DELAY_MS = 5000;
const SILENT_MS = 15000;

export class Live {
  /** `onFrame(frame)` returns a promise; the next frames come when it is done. */
  constructor(index, onFrame) {
    this.index = index;
    this.onFrame = onFrame;
    this.delay = FIRST_DELAY_MS;
    this.wanted = false;
    this.wantsVideo = false;
    this.canVideo = Video.isPossible();
  }

  start() {
    if (this.wanted) return;
    this.wanted = true;
    this.connect();
  }

  stop() {
    this.wanted = false;
    this.disconnect();
  }

  /** H.264 or JPEG; JPEG stays where H.264 has failed. */
  choose(wantsVideo) {
    if (wantsVideo === this.wantsVideo) return;
    this.wantsVideo = wantsVideo;
    this.reconnect();
  }

  /** Take over how many frames the server has seen: a dead connection gives no sign of its own. */
  expect(frames) {
    const now = performance.now();
    if (frames === this.expected) this.heardAt = now;
    this.expected = frames;
    if (now - this.heardAt > SILENT_MS) this.reconnect();
  }

  reconnect() {
    if (!this.wanted) return;
    this.disconnect();
    this.connect();
  }

  disconnect() {
    clearTimeout(this.timer);
    if (this.socket) close(this.socket);
    this.socket = null;
    this.decoder?.close();
    this.decoder = null;
  }

  connect() {
    const isVideo = this.wantsVideo && this.canVideo;
    const url = new URL(`streams/${this.index}/live`, location.href);
    url.protocol = url.protocol.replace("http", "ws");
    if (isVideo) url.searchParams.set("video", "h264");
    const socket = this.socket = new WebSocket(url);
    const decoder = this.decoder = isVideo ? new Video(this.onFrame) : new Images(this.onFrame);
    this.heardAt = performance.now();
    socket.binaryType = "arraybuffer";
    socket.onmessage = async ({ data }) => {
      if (this.socket !== socket) return;
      this.delay = FIRST_DELAY_MS;
      this.heardAt = performance.now();
      try {
        await decoder.take(...read(data));
      } catch {
        if (this.socket === socket) this.giveVideoUp();
        return;
      }
      if (socket.readyState === WebSocket.OPEN) socket.send("k");
    };
    socket.onclose = ({ code }) => {
      if (this.socket !== socket) return;
      this.disconnect();
      if (code === NO_VIDEO) this.canVideo = false;
      // the page is about to hear of it, and then stops this connection
      if (code === SOURCE_IS_OVER) this.delay = LONGEST_DELAY_MS;
      this.timer = setTimeout(() => this.connect(), this.delay);
      this.delay = Math.min(2 * this.delay, LONGEST_DELAY_MS);
    };
  }

  giveVideoUp() {
    this.canVideo = false;
    this.reconnect();
  }
}

/** Browsers complain where a connection is closed before it is open. */
function close(socket) {
  if (socket.readyState === WebSocket.CONNECTING) socket.onopen = () => socket.close();
  else socket.close();
}

/** A message: the length of a JSON text, the text, and what shows the frame. */
function read(data) {
  const length = new DataView(data).getUint32(0);
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length)));
  head.instances = new Map(head.result.instances.map((instance) => [instance.name, instance]));
  return [head, new Uint8Array(data, 4 + length)];
}
