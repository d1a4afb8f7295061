#!/bin/sh
# Renders the Mermaid text of docs/system_diagram*.md to SVG beside it. Needs npm and a Chromium (CHROMIUM names it).
# The checksum of the text goes into the SVG: `make terraform-test` fails when a picture is older than its text.
set -eu

cd "$(dirname "$0")/.."
chromium=${CHROMIUM:-$(command -v chromium || command -v chromium-browser || command -v google-chrome)}
tools=target/mermaid
mkdir -p "$tools"
[ -x "$tools/node_modules/.bin/mmdc" ] ||
  PUPPETEER_SKIP_DOWNLOAD=1 npm install --silent --prefix "$tools" @mermaid-js/mermaid-cli@11

printf '{"executablePath": "%s", "args": ["--no-sandbox", "--disable-gpu"]}' "$chromium" >"$tools/puppeteer.json"
printf '{"theme": "neutral", "flowchart": {"htmlLabels": false, "curve": "basis"}}' >"$tools/mermaid.json"

for page in docs/system_diagram*.md; do
  picture=${page%.md}.svg
  # shellcheck disable=SC2016 # the backquotes are Markdown's
  sed -n '/^```mermaid$/,/^```$/p' "$page" | sed '1d;$d' >"$tools/diagram.mmd"
  "$tools/node_modules/.bin/mmdc" --quiet --puppeteerConfigFile "$tools/puppeteer.json" --configFile "$tools/mermaid.json" \
    --backgroundColor white --input "$tools/diagram.mmd" --output "$picture"
  printf '<!-- %s -->\n' "$(sha256sum <"$tools/diagram.mmd" | cut -d' ' -f1)" >>"$picture"
  echo "$picture"
done
