// A POST with progress of its upload, which fetch() does not report, and its response as it arrives.

/**
 * Posts a form. Resolves when the head of the response has arrived: `{status, statusText, header(name), text}`, `text`
 * being a ReadableStream of strings. Rejects with the signal's reason, or with a TypeError if there is no response.
 * `onUpload` gets the share of the upload that has been sent, 0 to 1.
 */
export function post(url, form, { headers, signal, onUpload }) {
  const request = new XMLHttpRequest();
  request.open("POST", url);
  for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
  request.upload.addEventListener("progress", ({ loaded, total }) => onUpload(total ? Math.min(loaded / total, 0.999) : 0));
  request.upload.addEventListener("load", () => onUpload(1));
  signal.addEventListener("abort", () => request.abort());

  return new Promise((resolve, reject) => {
    const text = responseText(request, signal);
    request.addEventListener("readystatechange", () => {
      if (request.readyState !== XMLHttpRequest.HEADERS_RECEIVED) return;
      const { status, statusText } = request;
      resolve({ status, statusText, header: (name) => request.getResponseHeader(name), text });
    });
    request.addEventListener("error", () => reject(new TypeError("no response"))); // no effect after the head
    request.addEventListener("abort", () => reject(signal.reason));
    request.send(form);
  });
}

function responseText(request, signal) {
  let read = 0;
  return new ReadableStream({
    start(controller) {
      const enqueue = () => {
        const { responseText } = request;
        if (responseText.length > read) controller.enqueue(responseText.slice(read));
        read = responseText.length;
      };
      request.addEventListener("readystatechange", () => {
        if (request.readyState === XMLHttpRequest.LOADING) enqueue();
      });
      request.addEventListener("load", () => {
        enqueue();
        controller.close();
      });
      request.addEventListener("error", () => controller.error(new TypeError("the connection was closed")));
      request.addEventListener("abort", () => controller.error(signal.reason));
    },
    cancel: () => request.abort(),
  });
}
