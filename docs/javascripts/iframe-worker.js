// Browsers start no Worker for a page opened from the disk. The search of the theme then runs in a hidden frame instead,
// which exchanges the same messages. See https://squidfunk.github.io/mkdocs-material/plugins/offline/
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      const frame = document.createElement("iframe");
      frame.hidden = true;
      document.body.append(frame);
      this.frame = frame;
      window.addEventListener("message", (event) => {
        if (event.source !== frame.contentWindow) return;
        const message = new MessageEvent("message", { data: event.data });
        this.dispatchEvent(message);
        this.onmessage?.(message);
      });
      const inside = frame.contentDocument;
      inside.open();
      inside.write("<!doctype html><script>postMessage = (data) => parent.postMessage(data, '*');");
      inside.write("importScripts = (...urls) => Promise.all(urls.map((url) => new Promise((resolve, reject) => {");
      inside.write("const script = document.createElement('script'); script.src = url;");
      inside.write("script.onload = resolve; script.onerror = reject; document.head.append(script); })));<\/script>");
      inside.write(`<script src="${url}"><\/script>`);
      inside.close();
    }
    postMessage(data) {
      // Not by the frame's own postMessage, which sends to this page.
      const inside = this.frame.contentWindow;
      const send = () => inside.dispatchEvent(new MessageEvent("message", { data }));
      if (inside.document.readyState === "complete") send();
      else inside.addEventListener("load", send);
    }
    terminate() {
      this.frame.remove();
    }
  };
}
