// What the pages of `archiver serve` do beyond links and forms: keys, results as you type, news of changes, and the key
// out of the address. Every page works without it. It asks nothing but this server, and never makes markup of a text.
"use strict";
(() => {
  const $ = (selector) => document.querySelector(selector);
  const $$ = (selector) => [...document.querySelectorAll(selector)];

  // The key in the address is exchanged for a cookie, and leaves the address and the history.
  const given = new URLSearchParams(location.hash.slice(1)).get("key");
  if (given !== null) {
    history.replaceState(null, "", location.pathname + location.search);
    const form = $("#sign-in");
    if (form) {
      form.elements.key.value = given;
      form.elements.to.value = location.pathname === "/key" ? "/" : location.pathname + location.search;
      form.submit();
      return;
    }
  }
  // Another page's document, parsed without running anything of it.
  let loading = null;
  const load = (address, then) => {
    if (loading) loading.abort();
    const request = new XMLHttpRequest();
    loading = request;
    request.open("GET", address);
    request.responseType = "document";
    request.onload = () => {
      loading = null;
      if (request.status === 200 && request.response) then(request.response);
    };
    request.send();
  };
  const swap = (selector, from) => {
    const here = $(selector), there = from.querySelector(selector);
    if (here && there) here.replaceChildren(...[...there.childNodes].map((node) => document.importNode(node, true)));
    document.title = from.title;
  };
  const tell = (words) => { const news = $("#news"); if (news) news.textContent = words; };

  // Results as you type.
  let waiting = 0;
  const typed = (form) => {
    const address = form.getAttribute("action") + "?" + new URLSearchParams(new FormData(form));
    clearTimeout(waiting);
    waiting = setTimeout(() => load(address, (page) => {
      swap("#results", page);
      history.replaceState(null, "", address);
      const count = $("#results [role=status], #results .sub");
      tell(count ? count.textContent : "");
    }), 200);
  };
  document.addEventListener("input", (event) => {
    const form = event.target.form;
    if (!form || event.isComposing || !$("#results")) return;
    if (form.hasAttribute("data-typing") || (event.target.hasAttribute("data-search") && location.pathname === "/search")) typed(form);
  });

  // News of changes, while the page is looked at.
  let source = null;
  const listen = () => {
    if (document.hidden || source || !document.body.hasAttribute("data-live") || !window.EventSource) return;
    source = new EventSource("/live?since=" + document.body.dataset.live);
    source.addEventListener("change", () => {
      // What somebody has opened, typed or chosen must not go away under their hands.
      const busy = $("main details[open]:not(.narrow details)") || (document.activeElement && document.activeElement.closest("main form"));
      if (busy || String(getSelection())) return;
      const old = $$("main .m").map((m) => m.id);
      const atEnd = innerHeight + scrollY > document.documentElement.scrollHeight - 80;
      const focus = document.activeElement && document.activeElement.id;
      load(location.pathname + location.search, (page) => {
        swap("#main", page);
        document.body.dataset.live = page.body.dataset.live;
        const added = $$("main .m").filter((m) => !old.includes(m.id)).length;
        if (added) tell(added === 1 ? "1 new message" : added + " new messages");
        if (atEnd && old.length) scrollTo(0, document.documentElement.scrollHeight);
        if (focus && document.getElementById(focus)) document.getElementById(focus).focus({ preventScroll: true });
      });
    });
  };
  const stop = () => { if (source) source.close(); source = null; };
  document.addEventListener("visibilitychange", () => (document.hidden ? stop() : listen()));
  addEventListener("pagehide", stop);
  addEventListener("pageshow", listen);
  listen();

  // Keys.
  const items = () => $$("main [data-item], main .m");
  const target = (item) => (item.matches(".m") ? item : item.querySelector("a") || item);
  const step = (by) => {
    const all = items();
    if (!all.length) return;
    const at = all.findIndex((item) => item.contains(document.activeElement));
    let next = at + by;
    if (at < 0) next = Math.max(all.findIndex((item) => item.getBoundingClientRect().bottom > 80), 0);
    const item = all[Math.min(Math.max(next, 0), all.length - 1)];
    target(item).focus();
    item.scrollIntoView({ block: "nearest" });
  };
  const go = (selector) => { const link = $(selector); if (link) link.click(); };
  let after = "";
  document.addEventListener("keydown", (event) => {
    const field = event.target.closest("input, textarea, select");
    if (event.key === "Escape") {
      if (field) { field.blur(); $("#main").focus(); } else go('nav [aria-current="page"]');
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || field || event.isComposing) return;
    const first = after;
    after = "";
    if (first === "g") {
      const to = { h: "/", c: "/conversations", p: "/people", s: "/stats", l: "/ledger", o: "/coverage" }[event.key];
      if (to) { event.preventDefault(); location.href = to; }
      return;
    }
    const act = {
      "/": () => { const q = $("#q"); if (q) { q.focus(); q.select(); } },
      j: () => step(1),
      k: () => step(-1),
      n: () => go("a[rel=next]"),
      p: () => go("a[rel=prev]"),
      d: () => { const date = $("#date"); if (date) date.focus(); },
      g: () => { after = "g"; },
      "?": () => { location.href = "/help"; },
    }[event.key];
    if (act) { event.preventDefault(); act(); }
    else if (event.key === "Enter" && document.activeElement.matches(".m")) document.activeElement.querySelector(".at").click();
  });
})();
