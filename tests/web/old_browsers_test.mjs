// The page's files, held against MDN's table of what browsers know: whatever Chrome 100 or Safari 15.0 lacks needs a
// fallback, or a reason why the page does without.
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { test } from "node:test";
import { Parser } from "acorn";
import { full } from "acorn-walk";
import { parse, walk } from "css-tree";
import { kLibraryDir, kPageDir } from "./browser.mjs";

const bcd = createRequire(import.meta.url)("@mdn/browser-compat-data");
const kOldest = { chrome: 100, safari: 15 };

// "" if the oldest browsers know it, else "Safari 15.4". A name that the table lacks counts as known.
function lack(entry) {
  const support = entry?.__compat?.support;
  if (!support) return "";
  for (const [browser, oldest] of Object.entries(kOldest)) {
    const versions = [support[browser] ?? []].flat().filter((one) => !one.flags && !one.prefix);
    const added = versions.map((one) => one.version_added).filter((version) => version);
    const known = added.some((since) => since === true || Number.parseFloat(since.replace("≤", "")) <= oldest);
    if (!known) return `${browser} ${added[0] ?? "not at all"}`;
  }
  return "";
}

// ---- CSS

const kCssReasons = {
  // Without these the page only looks a little plainer.
  "text-wrap": "lines of a welcome text may be unbalanced",
  "text-wrap: balance": "the same",
  "font-family: ui-monospace": "the next name of the list is taken",
  "scrollbar-color": "scroll bars have the color of the system",
  "accent-color": "sliders and bars have the system's color",
  "scrollbar-gutter: stable": "the same",
  ":backdrop": "dom.js opens a plain box instead of a dialog",
  "-webkit-tap-highlight-color": "only phones have it",
  "scrollbar-gutter": "the text moves by the width of a scroll bar",
  ":focus-visible": "Safari shows its own focus ring",
};

// {feature: what lacks it} of a style sheet. A declaration is excused if an earlier one in its rule sets the same property.
function newInCss(source) {
  const found = {};
  const note = (name, entry) => {
    const since = lack(entry);
    if (since) found[name] = since;
  };
  const { properties, selectors, types } = bcd.css;
  const atRules = bcd.css["at-rules"];
  const functions = {};
  for (const group of Object.values(types)) {
    for (const [name, entry] of Object.entries(group)) if (name !== "__compat") functions[name] ??= entry;
  }
  walk(parse(source), {
    enter(node) {
      const inRule = this.rule !== null;
      if (node.type === "PseudoClassSelector" || node.type === "PseudoElementSelector") {
        note(`:${node.type === "PseudoElementSelector" ? ":" : ""}${node.name}`.replace("::", ":"), selectors[node.name]);
      } else if (node.type === "NestingSelector") {
        note("&", selectors.nesting);
      } else if (node.type === "Atrule") {
        note(`@${node.name}`, atRules[node.name]);
      } else if (node.type === "Feature") {
        note(`@media ${node.name}`, atRules.media[node.name]);
      } else if (node.type === "Block") {
        const seen = new Set();
        for (const child of node.children) {
          if (child.type === "Rule" && inRule) note("nested rules", selectors.nesting);
          if (child.type !== "Declaration" || child.property.startsWith("--")) continue;
          const name = child.property;
          const entry = properties[name];
          const fallback = seen.has(name);
          seen.add(name);
          if (fallback) continue;
          note(name, entry);
          walk(child.value, (part) => {
            if (part.type === "Identifier") note(`${name}: ${part.name}`, entry?.[part.name.replace(/-/g, "_")] ?? entry?.[part.name]);
            if (part.type === "Function" && name !== "clip") note(`${part.name}()`, functions[part.name] ?? types[part.name]);
            if (part.type === "Dimension" && /^[dsl]v/.test(part.unit)) {
              note(part.unit, types.length?.[`viewport_percentage_units_${{ d: "dynamic", s: "small", l: "large" }[part.unit[0]]}`]);
            }
          });
        }
      }
    },
  });
  return found;
}

// ---- JavaScript

const kScriptReasons = {
  BroadcastChannel: "store.js asks whether there is one; without it, other tabs learn of changes when they are reloaded",
  showModal: "dom.js opens a plain box instead",
  inert: "conversations.js: the page under the open drawer can be reached by Tab",
};

// Members of the page's own objects and of its libraries that have the name of a newer one.
const kOwnNames = new Set(["bytes", "escape", "role", "show", "use"]);

// Classes of the browser whose members the page may use. Others have members with the names of its own objects.
const kPageClasses = new RegExp("^(HTML.*Element|SVG.*Element|Element|Node|Document|DocumentFragment|Window|Navigator|Location|History|" +
  "Event|(UI|Keyboard|Mouse|Input|Drag|Submit|Message|Focus|Pointer)Event|EventTarget|AbortSignal|AbortController|Blob|File|FileReader|Clipboard|Crypto|DOMTokenList|CSSStyleDeclaration|" +
  "Storage|IDB.*|Request|Response|Headers|ReadableStream.*|TextDecoder.*|URL|URLSearchParams|BroadcastChannel|DataTransfer.*|Selection|Range)$");

const kSyntax = Object.entries({
  StaticBlock: bcd.javascript.classes.static.initialization_blocks,
});

// {feature: what lacks it} of a script: syntax, regular expressions, globals, and members that no older class has.
function newInScript(source, type) {
  const found = {};
  const members = new Map();  // name -> the entries of all classes that have it
  const globals = { ...bcd.api, ...bcd.javascript.builtins };
  for (const [owner, entry] of Object.entries(globals)) {
    if (Object.hasOwn(bcd.api, owner) && !kPageClasses.test(owner)) continue;
    for (const [name, member] of Object.entries(entry)) {
      const plain = name.replace(/_static$/, "");
      if (member.__compat) members.set(plain, [...(members.get(plain) ?? []), member]);
    }
  }
  const note = (name, since) => { if (since) found[name] = since; };
  const tree = new Parser({ ecmaVersion: 2022, sourceType: type }, source).parse();
  full(tree, (node) => {
    for (const [syntax, entry] of kSyntax) if (node.type === syntax) note(syntax, lack(entry));
    if (node.type === "BinaryExpression" && node.left.type === "PrivateIdentifier") {
      note("#x in", lack(bcd.javascript.classes.private_class_fields_in));
    }
    if (node.type === "Identifier" && Object.hasOwn(globals, node.name)) note(node.name, lack(globals[node.name]));
    if (node.type === "MemberExpression" && !node.computed) {
      const { name } = node.property;
      const lacks = (members.get(name) ?? []).map(lack);
      if (!kOwnNames.has(name) && lacks.length > 0 && lacks.every((one) => one !== "")) note(name, lacks[0]);
    }
    if (node.regex) {
      if (/\(\?<[=!]/.test(node.regex.pattern)) note("lookbehind", lack(bcd.javascript.regular_expressions.lookbehind_assertion));
      if (node.regex.flags.includes("v")) note("/v", lack(bcd.javascript.builtins.RegExp.unicodeSets));
    }
  });
  return found;
}

const without = (found, reasons) => Object.fromEntries(Object.entries(found).filter(([name]) => !(name in reasons)));

test("the check itself finds what old browsers lack", () => {
  const css = newInCss(`a:has(b) { color: light-dark(red, blue); background: color-mix(in srgb, red, blue); height: 100dvh; inset: 0 }
    p { height: 100vh; height: 100dvh; &:hover { color: red } } .x { overflow-wrap: anywhere } @layer z { i { top: 0 } }
    @container (width > 3px) { i { top: 0 } } i { text-wrap: balance; color: oklch(0 0 0) }`);
  assert.deepEqual(Object.keys(css).sort(), ["&", ":has", "@container", "@layer", "color-mix()", "dvh", "light-dark()", "nested rules", "oklch()",
    "overflow-wrap: anywhere", "text-wrap", "text-wrap: balance"].sort());
  const script = newInScript(`[1].at(-1); structuredClone(x); [].toSorted(); Object.hasOwn(a, "b"); /(?<=a)b/; new BroadcastChannel("x");
    class A { static { f(); } } dialog.showModal(); [1].map(f).includes(2); a?.b ?? c; document.querySelector("a").closest("b")`, "module");
  assert.deepEqual(Object.keys(script).sort(), ["BroadcastChannel", "StaticBlock", "at", "hasOwn", "lookbehind", "showModal", "structuredClone", "toSorted"].sort());
  assert.throws(() => newInScript("const x = import.defer('y')", "module"));
});

test("style sheets: what Chrome 100 or Safari 15 lacks has a fallback or a reason", () => {
  const used = {};
  for (const folder of [kPageDir, kLibraryDir]) {
    for (const name of readdirSync(folder).filter((one) => one.endsWith(".css"))) {
      const found = newInCss(readFileSync(path.join(folder, name), "utf8"));
      Object.assign(used, found);
      assert.deepEqual(without(found, kCssReasons), {}, name);
    }
  }
  assert.deepEqual(Object.keys(kCssReasons).filter((name) => !(name in used)), [], "reasons that nothing needs any more");
});

test("scripts: the same, for the page's own and for its libraries", () => {
  const used = {};
  const unexcused = {};
  for (const name of readdirSync(kPageDir).filter((one) => one.endsWith(".js"))) {
    const found = newInScript(readFileSync(path.join(kPageDir, name), "utf8"), name === "early.js" ? "script" : "module");
    Object.assign(used, found);
    for (const [what, since] of Object.entries(without(found, kScriptReasons))) unexcused[`${name}: ${what}`] = since;
  }
  assert.deepEqual(unexcused, {});
  assert.deepEqual(Object.keys(kScriptReasons).filter((name) => !(name in used)), [], "reasons that nothing needs any more");
  for (const name of readdirSync(kLibraryDir).filter((one) => one.endsWith(".js"))) {
    const found = newInScript(readFileSync(path.join(kLibraryDir, name), "utf8"), "module");
    assert.deepEqual(found, {}, name);
  }
});
