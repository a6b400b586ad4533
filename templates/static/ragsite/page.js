// The search form without reloads: what works by plain requests is only made smoother here.
"use strict";

(() => {
  const openBefore = new Map();

  document.addEventListener("change", (event) => {
    if ("submits" in event.target.dataset && event.target.form) {
      event.target.form.requestSubmit();
    }
  });

  document.addEventListener("submit", (event) => {
    if (event.target.id !== "search-form") return;
    const asks = event.submitter !== null && event.submitter.name === "ask";
    RagsiteAnswer.onSearch(asks);
  }, true);

  // A thumb is kept without a reload, and shows that it was.
  document.addEventListener("submit", (event) => {
    if (!event.target.matches("form.feedback") || !event.submitter) return;
    event.preventDefault();
    rate(event.target, event.submitter);
  });

  async function rate(form, thumb) {
    const announcer = document.getElementById("announcer");
    const body = new URLSearchParams(new FormData(form, thumb));
    try {
      const response = await fetch(form.action, { method: "POST", body, headers: { "X-Requested-With": "fetch" } });
      if (!response.ok) throw new Error(response.statusText);
    } catch {
      announcer.textContent = "Your rating could not be kept. Please try again.";
      return;
    }
    for (const other of thumb.parentElement.querySelectorAll("button")) other.setAttribute("aria-pressed", other === thumb);
    announcer.textContent = "Thank you for your rating.";
  }

  // Where the tenant keeps queries, so is which results are opened, in this tab or another; nobody waits for it.
  for (const kind of ["click", "auxclick"]) document.addEventListener(kind, keepClick);

  function keepClick(event) {
    const hit = event.target.closest("a") && event.target.closest(".hit");
    const form = document.querySelector("form.feedback[data-keeps-clicks]");
    if (!hit || !form || event.button === 2) return;
    const body = new URLSearchParams(new FormData(form));
    body.set("click", hit.dataset.document);
    navigator.sendBeacon(form.action, body);
  }

  // What was unfolded stays so when the results change.
  document.addEventListener("htmx:beforeSwap", (event) => {
    if (!event.detail.xhr.responseText.includes('id="content"')) {
      event.detail.shouldSwap = false; // not one of our pages: show it as it is
      window.location.assign(event.detail.pathInfo.finalRequestPath);
      return;
    }
    openBefore.clear();
    for (const details of document.querySelectorAll("details[id]")) openBefore.set(details.id, details.open);
  });

  document.addEventListener("htmx:afterSwap", () => {
    for (const details of document.querySelectorAll("details[id]")) {
      if (openBefore.has(details.id)) details.open = openBefore.get(details.id);
    }
  });

  document.addEventListener("htmx:afterSettle", () => {
    const summary = document.querySelector("[data-announce], .notice-panel h2");
    document.getElementById("announcer").textContent = summary ? summary.textContent.trim() : "";
    RagsiteSuggest.attach();
    RagsiteAnswer.onResults();
  });

  document.addEventListener("htmx:sendError", () => {
    document.getElementById("announcer").textContent = "The server is not reachable. Please try again.";
  });
})();
