// An answer that streams: one POST, read as server-sent events (EventSource can't POST).
// Everything that comes is put in as text, never as HTML.
"use strict";

const RagsiteAnswer = (() => {
  const MARKER = /\[(\d{1,3})\]/g;
  const WEB_URL = /^https?:\/\//i;
  const TRY_AGAIN = "No answer can be given right now. Please try again in a moment.";
  const TIMES_LOST = 3;
  const PAUSE_MS = 500;
  let pending = null; // the question of an ask whose results are still on their way
  let running = null; // AbortController of the answer that streams

  function part(name) {
    return document.getElementById(`answer-${name}`);
  }

  function onSearch(asks) {
    if (running) running.abort();
    running = null;
    const form = document.getElementById("search-form");
    pending = asks ? { form: new FormData(form), url: form.dataset.askUrl } : null;
  }

  function onResults() {
    if (!pending || !part("text")) return;
    const { form, url } = pending;
    pending = null;
    stream(form, url);
  }

  // A connection that is lost is made again, for what comes after the last event.
  async function stream(form, url) {
    const controller = new AbortController();
    running = controller;
    const view = new View(document.getElementById("search-form").dataset.documentUrl);
    const token = document.querySelector('meta[name="csrf-token"]').content;
    const headers = { "X-CSRFToken": token, Accept: "text/event-stream" };
    for (let lost = 0; ; lost += 1) {
      try {
        const response = await fetch(url, { method: "POST", body: form, headers, signal: controller.signal });
        if (!response.ok) return view.fail(await problem(response));
        for await (const { id, event, data } of events(response.body)) {
          if (id) headers["Last-Event-ID"] = id;
          view.on(event, data);
        }
        if (view.isOver) return;
      } catch {
        if (controller.signal.aborted) return;
      }
      if (lost === TIMES_LOST) return view.fail("The connection was lost before the answer was complete.");
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }

  async function problem(response) {
    try {
      const body = await response.json();
      if (response.status < 500 && body.detail) return body.detail;
    } catch {
      // no JSON: the sentence below says enough
    }
    return TRY_AGAIN;
  }

  async function* events(body) {
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      text += value.replaceAll("\r\n", "\n");
      let end;
      while ((end = text.indexOf("\n\n")) >= 0) {
        const parsed = parse(text.slice(0, end));
        text = text.slice(end + 2);
        if (parsed) yield parsed;
      }
    }
  }

  function parse(block) {
    let event = "message";
    let id = "";
    const data = [];
    for (const line of block.split("\n")) {
      if (line.startsWith("event:")) event = line.slice(6).trim();
      else if (line.startsWith("id:")) id = line.slice(3).trim();
      else if (line.startsWith("data:")) data.push(line.slice(5).replace(/^ /, ""));
    }
    return data.length ? { id, event, data: JSON.parse(data.join("\n")) } : null;
  }

  class View {
    constructor(documentUrl) {
      this.documentUrl = documentUrl;
      this.text = "";
      this.citations = new Map();
      this.unsupported = [];
      this.isOver = false;
      document.getElementById("answer").hidden = false;
      part("text").textContent = "";
      part("notices").hidden = true;
      part("sources").hidden = true;
      part("thumbs").hidden = true;
      part("cached").hidden = true;
      part("text").setAttribute("aria-busy", "true");
      part("status").textContent = "Reading the documents…";
    }

    on(event, data) {
      if (event === "token") this.add(data.text);
      else if (event === "status" && data.stage === "restarted") this.restart();
      else if (event === "citation") this.cite(data);
      else if (event === "done") this.finish(data);
      else if (event === "error") this.fail(TRY_AGAIN);
    }

    add(text) {
      if (!this.text) part("status").textContent = "Writing…";
      this.text += text;
      part("text").append(text);
    }

    restart() {
      this.text = "";
      this.citations.clear();
      this.render();
    }

    cite(citation) {
      const number = citation.marker.replace(/\D/g, "");
      if (!number || this.citations.has(number)) return;
      this.citations.set(number, citation);
      this.render();
    }

    finish(body) {
      this.isOver = true;
      this.text = body.answer || this.text;
      this.citations = new Map(body.citations.map((citation) => [citation.marker.replace(/\D/g, ""), citation]));
      this.unsupported = body.unsupported.filter((one) => !one.removed);
      this.render();
      this.close(body.refused ? "Nothing relevant was found" : body.generator === "extractive" ? "Quoted from the documents" : "Written from the sources below");
      if (!this.text) part("text").textContent = "There is no answer, but the results below may hold it.";
      this.notice(body.degraded);
      if (body.cached) this.givenBefore(body);
      this.rateable(body.request_id);
    }

    givenBefore({ cache, cached }) {
      const question = cache === "response" ? "this question" : `“${cached.question}”`;
      part("cached").textContent = `Given ${ago(cached.age_seconds)} to ${question}`;
      part("cached").hidden = false;
    }

    rateable(requestId) {
      const form = document.getElementById("feedback-ask");
      if (!form) return; // the results are still on their way
      form.elements.request_id.value = requestId;
      for (const thumb of part("thumbs").querySelectorAll("button")) thumb.removeAttribute("aria-pressed");
      part("thumbs").hidden = false;
    }

    notice(reasons) {
      const texts = JSON.parse(document.getElementById("notice-texts").textContent);
      part("notices").replaceChildren(...reasons.map((reason) => element("li", "", texts[reason] || reason)));
      part("notices").hidden = reasons.length === 0;
    }

    fail(message) {
      this.isOver = true;
      part("text").textContent = message;
      this.close("");
    }

    close(status) {
      part("status").textContent = status;
      part("text").setAttribute("aria-busy", "false");
      document.getElementById("announcer").textContent = status;
    }

    render() {
      part("text").replaceChildren(...this.pieces());
      const numbers = [...this.citations.keys()].sort((a, b) => a - b);
      part("sources").hidden = numbers.length === 0;
      part("sources").querySelector("ol").replaceChildren(...numbers.map((number) => this.source(number)));
    }

    // The answer with its sentences marked that have no support.
    pieces() {
      const texts = JSON.parse(document.getElementById("unsupported-texts").textContent);
      const pieces = [];
      let from = 0;
      for (const { sentence, reason } of this.unsupported) {
        const at = this.text.indexOf(sentence, from);
        if (at < 0) continue;
        const why = element("span", "visually-hidden", ` (${texts[reason]})`);
        const marked = element("span", "unsupported", ...this.cited(sentence), why);
        marked.title = texts[reason];
        pieces.push(...this.cited(this.text.slice(from, at)), marked);
        from = at + sentence.length;
      }
      return [...pieces, ...this.cited(this.text.slice(from))];
    }

    cited(text) {
      const pieces = [];
      let from = 0;
      for (const match of text.matchAll(MARKER)) {
        if (!this.citations.has(match[1])) continue;
        pieces.push(text.slice(from, match.index), link("cite", `#source-${match[1]}`, match[1], `Source ${match[1]}`));
        from = match.index + match[0].length;
      }
      return [...pieces, text.slice(from)];
    }

    source(number) {
      const { document: found, chunk, quote, url } = this.citations.get(number);
      const address = `${this.documentUrl}?${new URLSearchParams({ id: found.id, at: chunk.ordinal })}#passage-${chunk.ordinal}`;
      const body = element("div", "", link("source-title", address, found.title || found.id));
      if (url && WEB_URL.test(url)) body.append(" ", link("original", url, "Original"));
      body.append(element("blockquote", "", quote));
      const label = element("span", "source-number", number);
      label.setAttribute("aria-hidden", "true");
      const item = element("li", "source", label, body);
      item.id = `source-${number}`;
      item.tabIndex = -1;
      return item;
    }
  }

  function ago(seconds) {
    for (const [unit, length] of [["hour", 3600], ["minute", 60]]) {
      const count = Math.floor(seconds / length);
      if (count) return `${count} ${unit}${count === 1 ? "" : "s"} ago`;
    }
    return "a moment ago";
  }

  function element(tag, className, ...children) {
    const made = document.createElement(tag);
    if (className) made.className = className;
    made.append(...children);
    return made;
  }

  function link(className, href, text, label) {
    const made = element("a", className, text);
    made.href = href;
    if (label) made.setAttribute("aria-label", label);
    return made;
  }

  return { onSearch, onResults };
})();
