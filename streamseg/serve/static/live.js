// The connection of one source: frames with their results, as fast as they are drawn.

const SOURCE_IS_OVER = 1001;  // the code with which the server closes
const FIRST_DELAY_MS = 250, LONGEST_DELAY_MS = 5000;

export class Live {
  /** `onFrame(frame)` returns a promise; the next frames come when it is done. */
  constructor(index, onFrame) {
    this.index = index;
    this.onFrame = onFrame;
    this.delay = FIRST_DELAY_MS;
    this.wanted = false;
  }

  start() {
    if (this.wanted) return;
    this.wanted = true;
    this.connect();
  }

  stop() {
    this.wanted = false;
    clearTimeout(this.timer);
    this.socket?.close();
    this.socket = null;
  }

  connect() {
    const url = new URL(`streams/${this.index}/live`, location.href);
    url.protocol = url.protocol.replace("http", "ws");
    const socket = this.socket = new WebSocket(url);
    socket.binaryType = "arraybuffer";
    socket.onmessage = async ({ data }) => {
      this.delay = FIRST_DELAY_MS;
      await this.onFrame(await read(data));
      if (socket.readyState === WebSocket.OPEN) socket.send("k");
    };
    socket.onclose = ({ code }) => {
      if (this.socket !== socket || !this.wanted) return;
      // the page is about to hear of it, and then stops this connection
      if (code === SOURCE_IS_OVER) this.delay = LONGEST_DELAY_MS;
      this.timer = setTimeout(() => this.connect(), this.delay);
      this.delay = Math.min(2 * this.delay, LONGEST_DELAY_MS);
    };
  }
}

/** A message: the length of a JSON text, the text, and the image. */
async function read(data) {
  const length = new DataView(data).getUint32(0);
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length)));
  const jpeg = new Blob([new Uint8Array(data, 4 + length)], { type: "image/jpeg" });
  const instances = new Map(head.result.instances.map((instance) => [instance.name, instance]));
  return { ...head, instances, bitmap: await createImageBitmap(jpeg) };
}
