#!/usr/bin/env bash
# Prints Chromium's program for the browser tests, and installs Debian's package first where it is missing and root asks.
#     usage: tools/chromium.sh     exit 77: it cannot be had here
set -euo pipefail

skip=77
say() { echo "chromium.sh: $*" >&2; }

found() { command -v chromium || command -v chromium-browser || command -v google-chrome; }

if found; then exit; fi
if ! command -v apt-get >/dev/null || [ "$(id -u)" != 0 ]; then
    say "there is no Chromium, and this is no Debian, or not root: install it, as by apt-get install chromium"
    exit $skip
fi
say "installing Debian's chromium"
install() { apt-get install -y -qq --no-install-recommends chromium; }
{ install || { apt-get update -qq && install; }; } </dev/null >&2 || { say "the package chromium cannot be had"; exit $skip; }
found || exit $skip
