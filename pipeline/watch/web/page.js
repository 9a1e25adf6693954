// Puts in the parts of the page that have changed, and sends its forms without leaving it.
"use strict";
{
  const stream = document.querySelector("[data-stream]").dataset.stream;
  const lost = document.getElementById("lost");
  const pictures = [...document.querySelectorAll("img[data-kind]")];
  const addresses = new Map(pictures.map((picture) => [picture, picture.getAttribute("src")]));
  const STILL_MS = 2000, AGAIN_MS = 3000;
  let source = null, again = 0, count = 0;

  const put = ({ id, html }) => {
    const element = document.getElementById(id);
    if (!element) return;
    const focused = element.contains(document.activeElement) ? document.activeElement.id : "";
    element.innerHTML = html;
    if (focused) document.getElementById(focused)?.focus();
  };
  const renew = (picture) => { picture.src = `${addresses.get(picture)}?${++count}`; };

  const open = () => {
    clearTimeout(again);
    source = new EventSource(stream);
    source.onopen = () => {
      if (!lost.hidden) pictures.forEach(renew);
      lost.hidden = true;
    };
    source.onerror = () => {
      lost.hidden = false;
      // A server that is full or asks for the token again ends it for good.
      if (source.readyState === EventSource.CLOSED) again = setTimeout(open, AGAIN_MS);
    };
    source.addEventListener("part", (message) => put(JSON.parse(message.data)));
  };
  // Whoever does not look needs no connection: browsers have six for all pages of one server.
  const close = () => {
    clearTimeout(again);
    source?.close();
    pictures.forEach((picture) => picture.removeAttribute("src"));
  };
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return close();
    pictures.forEach(renew);
    open();
  });
  document.addEventListener("submit", (event) => {
    const form = event.target, button = event.submitter;
    event.preventDefault();
    fetch(form.action, {
      method: "POST",
      body: new URLSearchParams([[button.name, button.value]]),
      redirect: "manual",
    }).then(
      (answer) => { if (answer.type !== "opaqueredirect") location.reload(); },
      () => { lost.hidden = false; },
    );
  });
  setInterval(() => {
    if (!document.hidden) pictures.filter((picture) => picture.dataset.kind === "picture").forEach(renew);
  }, STILL_MS);
  open();
}
