// Suggestions under the search field: a combobox with a list, after the ARIA pattern. Without it the field is plain.
"use strict";

const RagsiteSuggest = (() => {
  const DELAY_MS = 120;
  let input, list, timer, request, active = -1;

  function attach() {
    const field = document.getElementById("q");
    if (!field || field === input) return;
    input = field;
    list = document.createElement("ul");
    list.id = "suggestions";
    list.className = "suggestions";
    list.setAttribute("role", "listbox");
    list.setAttribute("aria-label", "Suggested titles and headings");
    list.hidden = true;
    input.after(list);
    const roles = { role: "combobox", "aria-autocomplete": "list", "aria-controls": list.id, "aria-expanded": "false" };
    for (const [name, value] of Object.entries(roles)) input.setAttribute(name, value);
    input.addEventListener("input", onInput);
    input.addEventListener("keydown", onKey);
    input.addEventListener("blur", close);
    list.addEventListener("mousedown", (event) => event.preventDefault()); // the field keeps its focus
    list.addEventListener("click", (event) => {
      const option = event.target.closest("[role=option]");
      if (option) choose(option.textContent);
    });
  }

  function onInput() {
    clearTimeout(timer);
    if (input.value.trim().length < 2) close();
    else timer = setTimeout(ask, DELAY_MS);
  }

  async function ask() {
    if (request) request.abort();
    request = new AbortController();
    const asked = input.value;
    try {
      const address = `${input.form.dataset.suggestUrl}?${new URLSearchParams({ q: asked, in: input.form.elements.in?.value ?? "" })}`;
      const answer = await fetch(address, { signal: request.signal });
      if (!answer.ok) return;
      const { suggestions } = await answer.json();
      if (asked === input.value && document.activeElement === input) show(suggestions.map((one) => one.text));
    } catch {
      close(); // aborted by the next key, or no server: nobody waits for a suggestion
    }
  }

  function show(titles) {
    list.replaceChildren(...titles.map((title, at) => {
      const option = document.createElement("li");
      option.id = `suggestion-${at}`;
      option.setAttribute("role", "option");
      option.setAttribute("aria-selected", "false");
      option.textContent = title;
      return option;
    }));
    list.hidden = titles.length === 0;
    input.setAttribute("aria-expanded", String(titles.length > 0));
    activate(-1);
  }

  function close() {
    clearTimeout(timer);
    if (request) request.abort();
    list.hidden = true;
    input.setAttribute("aria-expanded", "false");
    activate(-1);
  }

  function activate(at) {
    active = at;
    for (const [number, option] of [...list.children].entries()) {
      option.setAttribute("aria-selected", String(number === at));
    }
    if (at < 0) input.removeAttribute("aria-activedescendant");
    else {
      input.setAttribute("aria-activedescendant", `suggestion-${at}`);
      list.children[at].scrollIntoView({ block: "nearest" });
    }
  }

  function onKey(event) {
    if (event.key === "Escape" && !list.hidden) {
      event.preventDefault();
      close();
    } else if ((event.key === "ArrowDown" || event.key === "ArrowUp") && !list.hidden) {
      event.preventDefault();
      const count = list.children.length + 1; // one place is the field itself
      activate(((active + 1 + (event.key === "ArrowDown" ? 1 : -1) + count) % count) - 1);
    } else if (event.key === "Enter" && active >= 0) {
      event.preventDefault();
      choose(list.children[active].textContent);
    }
  }

  function choose(title) {
    input.value = title;
    close();
    input.form.requestSubmit(input.form.querySelector(".button-search"));
  }

  document.addEventListener("DOMContentLoaded", attach);
  document.addEventListener("submit", (event) => { if (event.target.id === "search-form" && input) close(); }, true);
  return { attach };
})();
