// Stores a date of birth if one is given, and shows the greeting.
"use strict";

const form = document.getElementById("greeting");
const answer = document.getElementById("answer");
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;

function show(text, isError) {
  answer.textContent = text;
  answer.classList.toggle("error", isError);
}

async function detailOf(response) {
  try {
    return (await response.json()).detail;
  } catch {
    return `The service answered with status ${response.status}.`;
  }
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const { username, date } = form.elements;
  const path = `/hello/${encodeURIComponent(username.value.trim())}?tz=${encodeURIComponent(zone)}`;
  try {
    if (date.value) {
      const stored = await fetch(path, {
        method: "PUT",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ dateOfBirth: date.value }),
      });
      if (!stored.ok) {
        show(await detailOf(stored), true);
        return;
      }
    }
    const greeting = await fetch(path);
    if (greeting.ok) {
      show((await greeting.json()).message, false);
    } else {
      show(await detailOf(greeting), true);
    }
  } catch {
    show("The service cannot be reached.", true);
  }
});
