// Search in the conversations of this folder. Words and messages are in small scripts, which are loaded when they are
// needed; nothing is asked of any network, and what others wrote is only ever set as text.
"use strict";
const archive = (() => {
  const MOST = 40, WORD = 40;
  const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  const value = new Map([...digits].map((c, i) => [c, i]));
  const words = new Map(), messages = new Map(), loading = new Map();
  let all = null;

  const load = (name) => {
    if (!loading.has(name)) {
      loading.set(name, new Promise((done, failed) => {
        const script = document.createElement("script");
        script.src = "search/" + name + ".js";
        script.onload = done;
        script.onerror = () => failed(new Error(script.src + " cannot be read"));
        document.head.append(script);
      }));
    }
    return loading.get(name);
  };
  // Words without case, accents and ways of writing letters, as core::search::letters of archiver folds them.
  const letter = "\\p{Alphabetic}\\p{N}\\p{M}";
  const invisible = "\\u00ad\\u061c\\u200c-\\u200f\\u202a-\\u202e\\u2060-\\u2064\\u2066-\\u206f\\ufeff";
  const leftOut = new RegExp("[" + invisible + "\\u0640\\u093c]|(?=\\p{M})[\\p{sc=Zinh}\\p{sc=Zyyy}\\p{sc=Latn}\\p{sc=Grek}"
    + "\\p{sc=Cyrl}\\p{sc=Hebr}\\p{sc=Arab}\\p{sc=Syrc}]", "gu");
  const unspaced = new RegExp("(?=[" + letter + "])(?=[\\u0e00-\\u{10ffff}])[" + ["Hani", "Hira", "Kana", "Hang", "Thai", "Laoo", "Mymr", "Khmr"]
    .map((script) => "\\p{scx=" + script + "}").join("") + "]", "u");
  const border = new RegExp("[^" + letter + "]", "u");
  const simple = new Map();
  for (const pair of ("øo ɵo æae œoe ßss łl ƚl ŀl đd ðd ɖd ɗd þth ħh ıi ɨi ŧt ƭt ŋn ɲn ƞn ĸk ƙk ƀb ɓb ƈc əe ǝe ƒf ǥg ɠg ƥp ɍr "
    + "ʉu ʋv ƴy ɏy ƶz ςσ ٱا ىي یي کك ةه ەه ہه").split(" ")) simple.set(pair[0], pair.slice(1));
  for (let i = 0; i < 52; i++) {
    simple.set(String.fromCodePoint(0x1f150 + i + (i < 26 ? 0 : 6)), String.fromCharCode(97 + i % 26));
  }
  const small = (text) => [...text].map((c) => [...c.toLowerCase()].map((s) => simple.get(s) || s).join("")).join("");
  const wide = (c) => {
    const one = unspaced.test(c) && !/[\u3131-\u318e\uffa0-\uffdc]/.test(c) ? c.normalize("NFKC") : c;
    return [...one].length === 1 ? one : c;
  };
  const folded = (c) => {
    if (unspaced.test(c)) return wide(c);
    if (/[йўї]/i.test(c)) return c.toLowerCase();
    if (border.test(c)) return c.replace(leftOut, "").toLowerCase();
    const parts = c.normalize("NFKD").replace(leftOut, "");
    return small(border.test(parts) || unspaced.test(parts) ? c : parts);
  };
  const fold = (text) => [...[...text].map(wide).join("").normalize("NFC")].map(folded).join("");
  const dense = (c) => /[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\u{20000}-\u{3ffff}]/u.test(c);
  const runs = (text) => fold(text).match(new RegExp("[" + letter + "]+", "gu")) || [];

  // What to look for: a word by its beginning, a pair of a dense script as it is.
  const wanted = (query) => {
    const found = [];
    for (const run of runs(query)) {
      for (const part of run.match(/[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\u{20000}-\u{3ffff}]+|[^\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\u{20000}-\u{3ffff}]+/gu) || []) {
        const chars = [...part];
        if (!dense(part)) found.push({ word: chars.slice(0, WORD).join(""), whole: chars.length < 2 });
        else if (chars.length === 1) found.push({ word: part, whole: true });
        else for (let i = 1; i < chars.length; i++) found.push({ word: chars[i - 1] + chars[i], whole: true });
      }
    }
    return found;
  };
  const shard = (word) => {
    let hash = 0x811c9dc5;
    for (const c of [...word].slice(0, 2)) hash = Math.imul(hash ^ c.codePointAt(0), 0x01000193) >>> 0;
    return hash % all.shards;
  };
  const places = (text, into) => {
    let at = -1, n = 0, factor = 1;
    for (let i = 0; i < text.length; i++) {
      const digit = value.get(text[i]);
      n += (digit % 32) * factor;
      if (digit >= 32) factor *= 32;
      else { at += n; into.add(at); n = 0; factor = 1; }
    }
  };
  const having = async ({ word, whole }) => {
    const number = shard(word);
    await load("w" + number);
    const lines = words.get(number), found = new Set();
    let from = lines.startsWith(word) ? 0 : lines.indexOf("\n" + word) + 1;
    if (from === 0 && !lines.startsWith(word)) return found;
    // The words are in order, so those with one beginning follow each other.
    while (from < lines.length && lines.startsWith(word, from)) {
      const end = lines.indexOf("\n", from), gap = lines.indexOf(" ", from);
      if (!whole || gap === from + word.length) places(lines.slice(gap + 1, end), found);
      from = end + 1;
    }
    return found;
  };
  const search = async (query) => {
    await load("all");
    const sets = await Promise.all(wanted(query).map(having));
    if (sets.length === 0) return [];
    sets.sort((a, b) => a.size - b.size);
    return [...sets[0]].filter((doc) => sets.every((set) => set.has(doc))).sort((a, b) => b - a);
  };

  const element = (tag, text, kind) => {
    const made = document.createElement(tag);
    if (text) made.textContent = text;
    if (kind) made.className = kind;
    return made;
  };
  // The text around the first hit, with every hit marked.
  const snippet = (text, query) => {
    const out = element("p", "", "t");
    out.dir = "auto";
    const beginnings = runs(query);
    const parts = text.match(new RegExp("[" + letter + invisible + "]+|[^" + letter + invisible + "]+", "gu")) || [];
    const hit = (part) => beginnings.some((b) => fold(part).startsWith(b) || (dense(b) && fold(part).includes(b)));
    const first = Math.max(0, parts.findIndex(hit));
    const from = first > 24 ? first - 12 : 0;
    if (from > 0) out.append("… ");
    for (const part of parts.slice(from, from + 90)) out.append(hit(part) ? element("mark", part) : part);
    if (parts.length > from + 90) out.append(" …");
    return out;
  };
  const item = (doc, query) => {
    const [at, page, id, ms, sender, text] = messages.get(Math.floor(doc / all.per))[doc % all.per];
    const [conversation, name] = all.conversations[at];
    const li = element("li"), link = element("a");
    link.href = "conversations/" + conversation + (page ? "-" + (page + 1) : "") + ".html#m" + id;
    const title = element("span", name, "name"), time = element("time");
    title.dir = "auto";
    const date = new Date(ms);
    time.dateTime = date.toISOString();
    time.textContent = date.toLocaleDateString("en-GB", { day: "numeric", month: "long", year: "numeric", timeZone: all.zone });
    link.append(title, time, element("span", sender, "sub"), snippet(text, query));
    li.append(link);
    return li;
  };
  const results = document.getElementById("results"), list = document.getElementById("conversations");
  let latest = 0;
  const show = async (query) => {
    const mine = ++latest;
    if (!query.trim()) { results.hidden = true; list.hidden = false; results.replaceChildren(); return; }
    try {
      const found = await search(query);
      if (mine !== latest) return;
      const heading = element("h2", found.length === 1 ? "1 message" : found.length.toLocaleString("en") + " messages");
      const ul = element("ul"), more = element("button", "Show more");
      let shown = 0;
      const next = async () => {
        const docs = found.slice(shown, shown + MOST);
        await Promise.all(docs.map((doc) => load("m" + Math.floor(doc / all.per))));
        if (mine !== latest) return;
        ul.append(...docs.map((doc) => item(doc, query)));
        shown += docs.length;
        more.hidden = shown >= found.length;
      };
      await next();
      if (mine !== latest) return;
      more.type = "button";
      more.onclick = next;
      results.replaceChildren(heading, ul, more);
    } catch (error) {
      results.replaceChildren(element("p", "Search does not work: " + error.message));
    }
    results.hidden = false;
    list.hidden = true;
    document.documentElement.dataset.searched = query;
  };

  const box = document.getElementById("q");
  let timer = 0;
  box.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => show(box.value), 120);
  });
  document.getElementById("search").addEventListener("submit", (event) => { event.preventDefault(); show(box.value); });
  const asked = new URLSearchParams(location.search).get("q") || new URLSearchParams(location.hash.slice(1)).get("q");
  if (asked) { box.value = asked; show(asked); }

  return {
    all: (shards, per, docs, conversations, zone) => { all = { shards, per, docs, conversations, zone }; },
    words: (number, lines) => { words.set(number, lines); },
    messages: (number, list) => { messages.set(number, list); },
  };
})();
