// Shows the OpenAPI document, and sends the calls of the listener that served this page.
"use strict";

/** Longer than the service takes for any answer. */
const TIMEOUT_MS = 20_000;
const listener = document.documentElement.dataset.listener;

/** The OpenAPI document. */
let openapi;
/** The field for the administrators' token; its content is kept nowhere else. */
let token;

function element(tag, text, parent, className) {
  const made = document.createElement(tag);
  made.textContent = text;
  if (className) made.className = className;
  parent.append(made);
  return made;
}

/** A text with `code` in it. */
function prose(text, parent, tag = "p") {
  const made = element(tag, "", parent);
  text.split("`").forEach((part, index) => element(index % 2 ? "code" : "span", part, made));
  return made;
}

/** A part that can be opened. */
function folded(title, parent, className) {
  const made = element("details", "", parent, className);
  prose(title, made, "summary");
  return made;
}

/** A reference inside the document, followed. */
function resolve(object) {
  if (!object?.$ref) return object ?? {};
  const keys = object.$ref.slice(2).split("/");
  return resolve(keys.reduce((place, key) => place[key.replaceAll("~1", "/").replaceAll("~0", "~")], openapi));
}

/** A type and what limits it, in one line. */
function typeOf(schema) {
  const { type, format, items, enum: values, minimum, maximum, minLength, maxLength, pattern } = resolve(schema);
  if (items) return `list of ${typeOf(items)}`;
  const limits = [
    format,
    values && `one of ${values.join(", ")}`,
    minimum !== undefined && `at least ${minimum}`,
    maximum !== undefined && `at most ${maximum}`,
    minLength !== undefined && `at least ${minLength} characters`,
    maxLength !== undefined && `at most ${maxLength} characters`,
    pattern && `like ${pattern}`,
  ].filter(Boolean);
  const name = [type].flat().filter(Boolean).join(" or ") || "anything";
  return limits.length ? `${name} (${limits.join("; ")})` : name;
}

/** The fields of an object, as a list in a list. */
function showSchema(schema, parent) {
  const { description, properties, items, required = [] } = resolve(schema);
  if (items) return showSchema(items, parent);
  if (!properties) return prose([typeOf(schema), description].filter(Boolean).join(": "), parent);
  const list = element("ul", "", parent, "fields");
  for (const [name, field] of Object.entries(properties)) {
    const text = resolve(field).description;
    const presence = required.includes(name) ? "" : ", may be absent";
    const entry = prose(`\`${name}\`: ${typeOf(field)}${presence}${text ? `. ${text}` : ""}`, list, "li");
    const inner = resolve(resolve(field).items ?? field);
    if (inner.properties) showSchema(inner, entry);
  }
  return list;
}

/** A value that fits the schema. */
function exampleOf(schema) {
  const { example, default: fallback, type, properties, items } = resolve(schema);
  if (example !== undefined) return example;
  if (fallback !== undefined) return fallback;
  if (properties) return Object.fromEntries(Object.entries(properties).map(([name, field]) => [name, exampleOf(field)]));
  if (items) return [exampleOf(items)];
  const first = [type].flat()[0];
  return { string: "text", integer: 0, number: 0, boolean: false }[first] ?? null;
}

/** The examples of a content, by name; made from the schema where there are none. */
function examplesOf(content) {
  const given = Object.entries(content.examples ?? {}).map(([name, example]) => [name, resolve(example).value]);
  if (given.length) return given;
  const example = content.example ?? exampleOf(content.schema);
  return resolve(content.schema).type === "string" ? [] : [["example", example]];
}

function pretty(value) {
  return JSON.stringify(value, null, 2);
}

/** What a body looks like: its schema and examples. */
function showContent(contents, parent) {
  for (const [type, content] of Object.entries(contents ?? {})) {
    element("h5", type, parent);
    if (content.schema) showSchema(content.schema, parent);
    for (const [name, value] of examplesOf(content)) element("pre", pretty(value), folded(name, parent));
  }
}

function showResponses(operation, parent) {
  element("h4", "Answers", parent);
  for (const [status, reference] of Object.entries(operation.responses)) {
    const response = resolve(reference);
    const part = folded(`${status}: ${response.description}`, parent, "response");
    const headers = Object.entries(response.headers ?? {});
    if (headers.length) {
      element("h5", "Headers", part);
      const list = element("ul", "", part, "fields");
      for (const [name, header] of headers) prose(`\`${name}\`: ${header.description ?? typeOf(header.schema)}`, list, "li");
    }
    showContent(response.content, part);
  }
}

/** A field for a parameter, or for the header `Accept` where an answer has more than one form. */
function field(form, name, where, required, description, control) {
  const label = element("label", `${name} (${where}${required ? ", required" : ""})`, form);
  const input = element(control, "", label);
  input.name = name;
  if (description) prose(description, form).className = "hint";
  return input;
}

function parameterFields(operation, form) {
  const fields = [];
  for (const parameter of (operation.parameters ?? []).map(resolve)) {
    const { name, in: where, required, schema, example } = parameter;
    const description = [parameter.description, `Type: ${typeOf(schema)}.`].filter(Boolean).join(" ");
    if (where === "cookie") {
      // A script may not set the cookies of a request; the browser sends its own.
      prose(`\`${name}\` (cookie): ${description} The browser sends it by itself.`, form).className = "hint";
      continue;
    }
    const input = field(form, name, where, required, description, "input");
    input.required = Boolean(required);
    input.value = required ? (example ?? "") : "";
    input.placeholder = example ?? "";
    input.spellcheck = false;
    fields.push({ name, where, input });
  }
  const types = Object.values(operation.responses).flatMap((response) => Object.keys(resolve(response).content ?? {}));
  const choices = [...new Set(types)].filter((type) => !type.startsWith("application/problem"));
  if (choices.length > 1) {
    const select = field(form, "Accept", "header", false, "", "select");
    for (const type of choices) element("option", type, select);
    fields.push({ name: "Accept", where: "header", input: select });
  }
  return fields;
}

function bodyField(operation, form) {
  const [type, content] = Object.entries(resolve(operation.requestBody).content ?? {})[0] ?? [];
  if (!type) return {};
  const input = field(form, "body", type, true, "", "textarea");
  input.value = pretty(examplesOf(content)[0]?.[1]);
  input.rows = input.value.split("\n").length + 1;
  input.spellcheck = false;
  showSchema(content.schema, folded("What it may hold", form));
  return { type, input };
}

/** The request that the form describes. */
function requestOf(method, path, operation, fields, body) {
  const url = new URL(location.origin);
  const headers = {};
  let filled = path;
  for (const { name, where, input } of fields) {
    if (!input.value) continue;
    if (where === "path") filled = filled.replace(`{${name}}`, encodeURIComponent(input.value));
    if (where === "query") url.searchParams.append(name, input.value);
    if (where === "header") headers[name] = input.value;
  }
  url.pathname = filled;
  if (body.input) headers["Content-Type"] = body.type;
  if (operation.security && token?.value) headers.Authorization = `Bearer ${token.value}`;
  return { method: method.toUpperCase(), url, headers, body: body.input?.value };
}

/** The same request for a shell. The token stays out of it. */
function curlOf({ method, url, headers, body }) {
  const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
  const parts = ["curl", method === "HEAD" ? "-I" : "-i"];
  if (method !== "HEAD" && method !== "GET") parts.push("-X", method);
  for (const [name, value] of Object.entries(headers)) {
    parts.push("-H", name === "Authorization" ? '"Authorization: Bearer $ADMIN_TOKEN"' : quoted(`${name}: ${value}`));
  }
  if (body !== undefined) parts.push("-d", quoted(body));
  return [...parts, quoted(url.href)].join(" ");
}

function shownBody(text, type) {
  if (!type?.includes("json")) return text;
  try {
    return pretty(JSON.parse(text));
  } catch {
    return text;
  }
}

async function send(request, answer) {
  const { method, url, headers, body } = request;
  answer.replaceChildren();
  element("h4", "Request", answer);
  element("pre", curlOf(request), answer, "curl");
  const began = performance.now();
  try {
    const response = await fetch(url, { method, headers, body, cache: "no-store", signal: AbortSignal.timeout(TIMEOUT_MS) });
    const text = await response.text();
    const took = Math.round(performance.now() - began);
    element("h4", "Answer", answer);
    element("p", `${response.status} ${response.statusText}`, answer, response.ok ? "status" : "status error");
    element("p", `${took} ms, ${new Blob([text]).size} bytes`, answer, "hint");
    const lines = [...response.headers].map(([name, value]) => `${name}: ${value}`);
    element("pre", lines.join("\n"), answer, "headers");
    if (text) element("pre", shownBody(text, response.headers.get("content-type")), answer, "body");
  } catch (error) {
    const reason = error.name === "TimeoutError" ? "The service does not answer." : "The service cannot be reached.";
    element("p", reason, answer, "status error");
  }
}

function showForm(method, path, operation, section) {
  const form = element("form", "", section);
  const fields = parameterFields(operation, form);
  const body = bodyField(operation, form);
  const here = operation["x-listeners"].includes(listener);
  const button = element("button", "Send", form);
  button.type = "submit";
  button.disabled = !here;
  if (!here) {
    const other = operation["x-listeners"].join(" and ");
    element("p", `This call is on the ${other} listener. Open /docs there to send it.`, form, "hint");
  }
  const answer = element("div", "", section, "answer");
  answer.setAttribute("role", "status");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    await send(requestOf(method, path, operation, fields, body), answer);
    button.disabled = false;
  });
}

function showOperation(method, path, operation, list) {
  const section = element("details", "", list, "operation");
  section.id = operation.operationId;
  const summary = element("summary", "", section);
  element("b", method.toUpperCase(), summary, method);
  element("code", path, summary);
  element("span", operation.summary ?? "", summary);
  // Built when it is opened for the first time: most never are.
  section.addEventListener("toggle", () => {
    if (operation.description) prose(operation.description, section);
    if (operation.security) element("p", "Needs the administrators' token.", section, "hint");
    showForm(method, path, operation, section);
    showResponses(operation, section);
  }, { once: true });
}

function showAbout(about) {
  const { version, description, license } = openapi.info;
  element("p", `Version ${version}, licence ${license.name}.`, about, "hint");
  for (const paragraph of description.split("\n\n")) prose(paragraph, about);
  if (listener !== "private") return;
  const label = element("label", "Administrators' token", about);
  token = element("input", "", label);
  Object.assign(token, { id: "token", type: "password", autocomplete: "off" });
}

function openLinked() {
  const linked = document.getElementById(location.hash.slice(1));
  if (linked?.tagName !== "DETAILS") return;
  linked.open = true;
  linked.scrollIntoView();
}

async function show() {
  openapi = await (await fetch("/openapi.json")).json();
  showAbout(document.getElementById("about"));
  const list = document.getElementById("operations");
  for (const tag of openapi.tags ?? []) {
    element("h2", `${tag.name}: ${tag.description}`, list);
    for (const [path, item] of Object.entries(openapi.paths)) {
      for (const [method, operation] of Object.entries(item)) {
        if (operation.tags?.includes(tag.name)) showOperation(method, path, operation, list);
      }
    }
  }
  element("h2", "Schemas", list);
  for (const [name, schema] of Object.entries(openapi.components.schemas)) {
    const part = folded(name, list, "response");
    if (schema.description) prose(schema.description, part);
    showSchema(schema, part);
  }
  addEventListener("hashchange", openLinked);
  openLinked();
}

show().catch(() => {
  element("p", "The OpenAPI document cannot be shown.", document.getElementById("operations"), "error");
});
