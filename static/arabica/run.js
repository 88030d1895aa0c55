"use strict";

// The log of a run is followed at its end, unless the reader has scrolled away from it.
(() => {
  const NEAR = 24; // pixels
  let isFollowed = false;

  const findLog = () => document.getElementById("run-log");
  const follow = (log) => { log.scrollTop = log.scrollHeight; };

  document.addEventListener("DOMContentLoaded", () => {
    const log = findLog();
    if (log) follow(log);
  });
  document.addEventListener("htmx:beforeSwap", (event) => {
    // A session that has ended answers with the page to log in.
    if (new URL(event.detail.xhr.responseURL).pathname.includes("/login/")) {
      event.detail.shouldSwap = false;
      location.reload();
      return;
    }
    const log = findLog();
    isFollowed = log !== null && log.scrollHeight - log.scrollTop - log.clientHeight < NEAR;
  });
  document.addEventListener("htmx:afterSwap", () => {
    const log = findLog();
    if (log && isFollowed) follow(log);
    const hasEnded = document.querySelector("#run-live:not([hx-get])");
    if (hasEnded) document.querySelector('a[href$="/cancel/"]')?.closest("li").remove();
  });
})();
