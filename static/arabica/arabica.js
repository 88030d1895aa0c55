"use strict";

// Copy buttons: each copies the text marked `data-copy-source` beside it, and says so.
(() => {
  const SHOWN_FOR = 2500; // milliseconds

  const announcer = document.createElement("div");
  announcer.className = "ar-announcer";
  announcer.setAttribute("role", "status");
  announcer.setAttribute("aria-live", "polite");

  // Outside https and localhost there is no navigator.clipboard; a policy may refuse it too.
  async function copy(text) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      return copyBySelection(text);
    }
  }

  function copyBySelection(text) {
    const focused = document.activeElement;
    const area = document.createElement("textarea");
    area.value = text;
    area.className = "ar-announcer";
    document.body.append(area);
    area.select();
    try {
      return document.execCommand("copy");
    } finally {
      area.remove();
      focused?.focus();
    }
  }

  function tell(button, message) {
    const label = button.querySelector("[data-copy-label]");
    button.dataset.copyText ??= label.textContent;
    label.textContent = message;
    announcer.textContent = message;
    clearTimeout(button.copyTimer);
    button.copyTimer = setTimeout(() => {
      label.textContent = button.dataset.copyText;
      announcer.textContent = "";
    }, SHOWN_FOR);
  }

  document.addEventListener("DOMContentLoaded", () => document.body.append(announcer));
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    const source = button.closest("[data-sample], .ar-copyable").querySelector("[data-copy-source]");
    const copied = await copy(source.textContent);
    tell(button, copied ? button.dataset.copied : button.dataset.failed);
  });
})();

// Unfold's icons are words drawn as pictures ("play_circle"): beside a text they are hidden from
// screen readers; an icon that stands alone keeps its word, the only name its link has.
document.addEventListener("DOMContentLoaded", () => {
  for (const icon of document.querySelectorAll(".material-symbols-outlined")) {
    const holder = icon.closest("a, button, h2");
    if (holder && holder.textContent.trim() !== icon.textContent.trim()) {
      icon.setAttribute("aria-hidden", "true");
    }
  }
});

// Some of Unfold's controls (filters, sidebar) answer to a mouse alone: give them to the keyboard.
document.addEventListener("DOMContentLoaded", () => {
  for (const control of document.querySelectorAll("a:not([href]), span")) {
    if (!control.hasAttribute("x-on:click")) continue;
    control.setAttribute("role", "button");
    control.tabIndex = 0;
    control.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      control.click();
    });
  }
});

// Countdowns go on by the server's clock: what passes is measured, this computer's time is not read.
(() => {
  function describe(element, seconds) {
    if (seconds < 0) return element.dataset.due;
    const days = Math.floor(seconds / 86400);
    const hours = Math.floor(seconds / 3600) % 24;
    const minutes = Math.floor(seconds / 60) % 60;
    const unit = days ? "days" : hours ? "hours" : minutes ? "minutes" : "seconds";
    const two = (number, isFirst) => (isFirst ? String(number) : String(number).padStart(2, "0"));
    return element.dataset[unit]
      .replace("{days}", days)
      .replace("{hours}", hours)
      .replace("{minutes}", two(minutes, unit === "minutes"))
      .replace("{seconds}", two(seconds % 60, unit === "seconds"));
  }

  function count() {
    for (const element of document.querySelectorAll("[data-countdown]")) {
      element.countdownEnd ??=
        performance.now() + (Date.parse(element.dateTime) - Date.parse(element.dataset.now));
      const text = describe(element, Math.floor((element.countdownEnd - performance.now()) / 1000));
      if (element.textContent !== text) element.textContent = text;
    }
  }

  document.addEventListener("DOMContentLoaded", () => {
    count();
    setInterval(count, 1000);
  });
})();
