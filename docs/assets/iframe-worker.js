// Search from disk: a page that was opened as a file may start no worker, so the search runs in a hidden frame instead.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      const frame = document.createElement("iframe");
      frame.hidden = true;
      frame.title = "search";
      this.ready = new Promise((resolve) => {
        addEventListener("DOMContentLoaded", () => { document.body.append(frame); this.start(frame.contentWindow, String(url), resolve); });
        if (document.readyState !== "loading") { document.body.append(frame); this.start(frame.contentWindow, String(url), resolve); }
      });
    }

    // What the frame posts is a message of this worker.
    start(inner, url, resolve) {
      const load = (source) => new Promise((loaded, failed) => {
        const script = inner.document.createElement("script");
        Object.assign(script, { src: source, onload: loaded, onerror: failed });
        inner.document.documentElement.append(script);
      });
      inner.postMessage = (data) => {
        const event = new MessageEvent("message", { data });
        this.onmessage?.(event);
        this.dispatchEvent(event);
      };
      inner.importScripts = (...sources) => sources.reduce((before, each) => before.then(() => load(new URL(each, url).href)), Promise.resolve());
      load(url).then(() => resolve(inner));
    }

    postMessage(data) {
      this.ready.then((inner) => inner.dispatchEvent(new MessageEvent("message", { data })));
    }

    terminate() {
      this.ready.then((inner) => inner.frameElement.remove());
    }
  };
}
