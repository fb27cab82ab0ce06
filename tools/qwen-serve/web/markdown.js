// Markdown from the model to DOM nodes, made one by one from marked's tokens. No HTML is ever parsed: what the model
// writes can become text, the elements below and links to http, https and mailto, and nothing else. The page's
// Content-Security-Policy (trusted-types 'none') refuses HTML from strings even by mistake.
import "./lib/marked.js";
import { element } from "./dom.js";

const { marked } = window;

// Formulas: $$...$$ and \[...\] as blocks, \(...\) and $...$ in a line. Dollars are money if the first is followed by a
// space, the second by a digit, or if there is code between them.
const mathToken = (raw, text, display) => ({ type: "math", raw, text: text.trim(), display });
marked.use({ gfm: true, breaks: true, mangle: false, headerIds: false, extensions: [
  {
    name: "mathBlock", level: "block",
    start: (source) => source.match(/\$\$|\\\[/)?.index,
    tokenizer(source) {
      const found = /^(?:\$\$([^]+?)\$\$|\\\[([^]+?)\\\])[ \t]*(?:\n|$)/.exec(source);
      return found ? mathToken(found[0], found[1] || found[2], true) : undefined;
    },
  },
  {
    name: "mathInline", level: "inline",
    start: (source) => source.match(/\$|\\[([]/)?.index,
    tokenizer(source) {
      const found = /^\\\(([^]+?)\\\)/.exec(source) || /^\$(?![\s$])((?:\\.|[^$\\\n`])*?(?:\\.|[^\s$\\`]))\$(?!\d)/.exec(source);
      if (found) return mathToken(found[0], found[1], false);
      const block = /^(?:\$\$([^]+?)\$\$|\\\[([^]+?)\\\])/.exec(source);
      return block ? mathToken(block[0], block[1] || block[2], true) : undefined;
    },
  },
] });

let katex = null;  // a promise, once a formula was seen

function loadKatex() {
  if (!katex) {
    document.head.append(element("link", { rel: "stylesheet", href: "/web/lib/katex.css" }));
    katex = import("./lib/katex.js").then(() => window.katex);
  }
  return katex;
}

// The formula's source until KaTeX is there, and permanently if KaTeX cannot read it.
function math({ raw, text, display }) {
  const node = element("span", { class: display ? "math display" : "math", text: raw.trim() });
  if (display) node.tabIndex = 0;  // long formulas scroll
  loadKatex().then((library) => {
    const formula = element("span");
    library.render(text, formula, { displayMode: display, throwOnError: true, trust: false, maxSize: 20, maxExpand: 200 });
    node.replaceChildren(...formula.childNodes);
  }).catch(() => {});
  return node;
}

const kHighlightLimit = 20000;  // characters of code beyond which colours are not worth their time

// marked and highlight.js give text with these entities in place of the characters.
const kEntities = { "&amp;": "&", "&lt;": "<", "&gt;": ">", "&quot;": '"', "&#39;": "'", "&#x27;": "'", "&nbsp;": "\u00a0" };
const plain = (text) => text.replace(/&(?:amp|lt|gt|quot|#39|#x27|nbsp);/g, (entity) => kEntities[entity]);

function safeAddress(href) {
  try {
    const url = new URL(plain(href));
    return ["http:", "https:", "mailto:"].includes(url.protocol) ? url.href : null;
  } catch {
    return null;  // relative, or none at all: nothing of this server is meant
  }
}

function link(href, children) {
  const address = safeAddress(href);
  if (!address) return element("span", {}, ...children);
  return element("a", { href: address, target: "_blank", rel: "noopener noreferrer nofollow" }, ...children);
}

const inlines = (tokens) => (tokens ?? []).map(inline);

function inline(token) {
  switch (token.type) {
    case "strong": return element("strong", {}, ...inlines(token.tokens));
    case "em": return element("em", {}, ...inlines(token.tokens));
    case "del": return element("del", {}, ...inlines(token.tokens));
    case "codespan": return element("code", { text: plain(token.text) });
    case "br": return element("br");
    case "math": return math(token);
    case "link": return link(token.href, inlines(token.tokens));
    // An image would tell its server that this page was read: a link to it instead.
    case "image": return link(token.href, [`🖼 ${plain(token.text) || token.href}`]);
    case "html": return token.raw ?? token.text;
    default: return token.tokens ? element("span", {}, ...inlines(token.tokens)) : plain(token.text ?? token.raw);
  }
}

function listItem(item, loose, decorate) {
  const mark = item.task ? [item.checked ? "☑ " : "☐ "] : [];
  // The lines of a tight list stand without paragraphs.
  const children = item.tokens.flatMap((token) =>
    token.type === "text" && !loose ? (token.tokens ? inlines(token.tokens) : [plain(token.text)]) : [block(token, decorate)]);
  return element("li", {}, ...mark, ...children);
}

function table(token) {
  const row = (cells, tag) => element("tr", {}, ...cells.map((cell, column) => {
    const node = element(tag, {}, ...inlines(cell.tokens));
    if (token.align[column]) node.style.textAlign = token.align[column];
    return node;
  }));
  return element("div", { class: "table", tabIndex: 0 }, element("table", {},
    element("thead", {}, row(token.header, "th")),
    element("tbody", {}, ...token.rows.map((cells) => row(cells, "td")))));
}

function block(token, decorate) {
  switch (token.type) {
    case "heading": return element(`h${Math.min(6, token.depth + 2)}`, { class: `h${token.depth}` }, ...inlines(token.tokens));
    case "paragraph": return element("p", {}, ...inlines(token.tokens));
    case "text": return element("p", {}, ...(token.tokens ? inlines(token.tokens) : [plain(token.text)]));
    case "code": return code(token, decorate);
    case "blockquote": return element("blockquote", {}, ...blocks(token.tokens, decorate));
    case "list": {
      const list = element(token.ordered ? "ol" : "ul", {},
        ...token.items.map((item) => listItem(item, token.loose, decorate)));
      if (token.ordered && token.start !== 1) list.start = token.start;
      return list;
    }
    case "table": return table(token);
    case "hr": return element("hr");
    case "math": return element("p", {}, math(token));
    case "html": return element("p", { class: "plain", text: token.raw.trimEnd() });
    default: return null;  // blank lines, link definitions
  }
}

const blocks = (tokens, decorate) => tokens.map((token) => block(token, decorate)).filter((node) => node !== null);

function code(token, decorate) {
  const language = /^[\w+#.-]+/.exec(token.lang ?? "")?.[0] ?? "";
  const node = element("code", { text: token.text });
  highlight(node, token.text, language);
  return decorate(language, node);
}

let highlighter = null;  // a promise, once some code was seen

function loadHighlighter() {
  if (!highlighter) highlighter = import("./lib/highlight.js").then(() => {
    window.hljs.configure({ hideUpgradeWarningAcceptNoSupportOrSecurityUpdates: true });
    return window.hljs;
  });
  return highlighter;
}

async function highlight(node, text, language) {
  if (!language || text.length > kHighlightLimit) return;
  const hljs = await loadHighlighter().catch(() => null);
  if (!hljs?.getLanguage(language)) return;
  const colored = spans(hljs.highlight(language, text, true).value);
  if (colored.textContent === text) node.replaceChildren(colored);
}

// highlight.js answers in HTML: nested <span class="..."> and escaped text. Read as such, nothing else.
function spans(html) {
  const root = document.createDocumentFragment();
  const open = [root];
  for (const [part, className] of html.matchAll(/<span class="([\w -]*)">|<\/span>|[^<]+/g)) {
    if (part === "</span>") {
      if (open.length > 1) open.pop();
    } else if (part.startsWith("<")) {
      const span = element("span", { class: className });
      open[open.length - 1].append(span);
      open.push(span);
    } else {
      open[open.length - 1].append(plain(part));
    }
  }
  return root;
}

// Returns a list of nodes. `decorate(language, code)` makes the frame of a block of code.
export function render(source, decorate) {
  try {
    return blocks(marked.lexer(source), decorate);
  } catch {
    // Nesting that overflows the stack: shown as it came.
    return [element("p", { class: "plain", text: source })];
  }
}
