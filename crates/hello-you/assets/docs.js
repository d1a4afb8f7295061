// Shows the OpenAPI document, and sends the calls of the public listener.
"use strict";

function element(tag, text, parent) {
  const made = document.createElement(tag);
  made.textContent = text;
  parent.append(made);
  return made;
}

// A reference inside the document, followed.
function resolve(openapi, object) {
  if (!object?.$ref) return object;
  const keys = object.$ref.slice(2).split("/");
  return keys.reduce((place, key) => place[key], openapi);
}

function tryForm(openapi, method, path, operation, section) {
  const form = element("form", "", section);
  // A script may not set cookies of a request; the browser sends its own.
  const parameters = (operation.parameters ?? []).filter((parameter) => parameter.in !== "cookie");
  const fields = parameters.map((parameter) => {
    const label = element("label", `${parameter.name} (${parameter.in})`, form);
    const input = element("input", "", label);
    input.required = Boolean(parameter.required);
    input.value = parameter.required ? (parameter.example ?? "") : "";
    input.placeholder = parameter.example ?? "";
    return { parameter, input };
  });
  let body;
  if (operation.requestBody) {
    const label = element("label", "body", form);
    body = element("textarea", "", label);
    body.value = JSON.stringify({ dateOfBirth: "1990-12-31" });
  }
  const button = element("button", "Send", form);
  button.type = "submit";
  const answer = element("pre", "", section);
  answer.setAttribute("role", "status");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const url = new URL(location.origin);
    let filled = path;
    const headers = body ? { "Content-Type": "application/json" } : {};
    for (const { parameter, input } of fields) {
      if (!input.value) continue;
      if (parameter.in === "path") filled = filled.replace(`{${parameter.name}}`, encodeURIComponent(input.value));
      if (parameter.in === "query") url.searchParams.set(parameter.name, input.value);
      if (parameter.in === "header") headers[parameter.name] = input.value;
    }
    url.pathname = filled;
    try {
      const response = await fetch(url, { method: method.toUpperCase(), headers, body: body?.value });
      answer.textContent = `${response.status} ${response.statusText}\n${await response.text()}`;
    } catch {
      answer.textContent = "The service cannot be reached.";
    }
  });
}

async function show() {
  const openapi = await (await fetch("/openapi.json")).json();
  const list = document.getElementById("operations");
  for (const tag of openapi.tags ?? []) {
    element("h2", `${tag.name}: ${tag.description}`, list);
    for (const [path, item] of Object.entries(openapi.paths)) {
      for (const [method, operation] of Object.entries(item)) {
        if (!operation.tags?.includes(tag.name)) continue;
        const section = element("section", "", list);
        section.className = "operation";
        element("h3", `${method.toUpperCase()} ${path}`, section);
        element("p", [operation.summary, operation.description].filter(Boolean).join(" "), section);
        const answers = element("ul", "", section);
        for (const [status, response] of Object.entries(operation.responses)) {
          element("li", `${status}: ${resolve(openapi, response).description}`, answers);
        }
        if (tag.name === "administration") {
          const token = operation.security ? ", with the administrators' token" : "";
          element("p", `On the private listener${token}.`, section);
        } else {
          tryForm(openapi, method, path, operation, section);
        }
      }
    }
  }
}

show().catch(() => {
  const failure = element("p", "The OpenAPI document cannot be shown.", document.getElementById("operations"));
  failure.className = "error";
});
