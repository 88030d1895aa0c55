"use strict";

// The builder of Quartz expressions: it writes into the field, which tells the preview.
document.addEventListener("DOMContentLoaded", () => {
  const builder = document.querySelector("[data-builder]");
  const quartz = document.getElementById("id_quartz");
  if (!builder || !quartz) return;
  const kind = builder.querySelector("[data-builder-kind]");
  const part = (name) => builder.querySelector(`[data-builder-part=${name}]`).value;
  const number = (name, least, most) =>
    Math.min(Math.max(Number.parseInt(part(name), 10) || least, least), most);
  const step = (every) => (every === 1 ? "*" : `*/${every}`);

  function time() {
    const [hour, minute] = (part("time") || "00:00").split(":").map(Number);
    return `0 ${minute} ${hour}`;
  }

  function weekdays() {
    const chosen = [...builder.querySelectorAll("[data-builder-day]:checked")];
    return chosen.map((box) => box.value).join(",") || "*";
  }

  const writers = {
    minutes: () => `0 ${step(number("every", 1, 59))} * * * ?`,
    hours: () => `0 ${number("minute", 0, 59)} ${step(number("every", 1, 23))} * * ?`,
    days: () => `${time()} ${step(number("every", 1, 31))} * ?`,
    weekdays: () => `${time()} ? * ${weekdays()}`,
    monthdays: () => `${time()} ${part("monthday") || part("named").replace(/\s+/g, "") || "1"} * ?`,
  };

  builder.addEventListener("input", (event) => {
    event.stopPropagation();
    for (const element of builder.querySelectorAll("[data-builder-for]")) {
      element.hidden = !element.dataset.builderFor.split(" ").includes(kind.value);
    }
    if (!kind.value) return;
    quartz.value = writers[kind.value]();
    quartz.dispatchEvent(new Event("input", { bubbles: true }));
  });
  // What a message offers is taken over by a click.
  document.addEventListener("click", (event) => {
    const offer = event.target.closest("[data-offer]");
    if (!offer) return;
    quartz.value = offer.dataset.offer;
    quartz.dispatchEvent(new Event("input", { bubbles: true }));
    quartz.focus();
  });
  builder.addEventListener("change", (event) => event.stopPropagation());
});
