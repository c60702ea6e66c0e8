// JPEG of one source: each message is a whole image.

export class Images {
  /** `onFrame(frame)` returns a promise that is done when the frame is drawn. */
  constructor(onFrame) {
    this.onFrame = onFrame;
  }

  /** The promise is done when the next message may come. */
  async take(head, data) {
    let bitmap;
    try {
      bitmap = await createImageBitmap(new Blob([data], { type: "image/jpeg" }));
    } catch {
      return;  // the next image may be whole
    }
    await this.onFrame({ ...head, bitmap });
  }

  close() {}
}
