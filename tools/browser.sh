#!/usr/bin/env bash
# What the tests need from Debian: Chromium, Chinese fonts, Node, PgBouncer. Installed when missing and we are root.
set -euo pipefail

missing=()
if command -v chromium-headless-shell >/dev/null; then
  :
elif ! command -v chromium >/dev/null; then
  missing+=(chromium-headless-shell)
elif [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  # Without a window of its own the browser costs half as much; with one it does as well, so this may fail.
  echo "installing chromium-headless-shell"
  soon=(-qq -o Acquire::Retries=0 -o Acquire::http::Timeout=10 -o DPkg::Lock::Timeout=60)
  { apt-get "${soon[@]}" update && DEBIAN_FRONTEND=noninteractive apt-get "${soon[@]}" install -y --no-remove --no-install-recommends \
    chromium-headless-shell; } >/dev/null 2>&1 || echo "not to be had; chromium will do"
fi
fc-list 2>/dev/null | grep -qi 'Noto Sans CJK' || missing+=(fonts-noto-cjk fontconfig)
command -v npm >/dev/null || missing+=(nodejs npm)
command -v pgbouncer >/dev/null || [ -x /usr/sbin/pgbouncer ] || missing+=(pgbouncer)
if [ ${#missing[@]} -eq 0 ]; then
  :
elif [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "installing ${missing[*]}"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
else
  echo "The tests need Debian packages that are not here. Install them as root, then run this again:" >&2
  echo "  apt-get install --no-install-recommends ${missing[*]}" >&2
  exit 1
fi

# axe-core, as the lock file pins it; afterwards the tests ask no registry for anything.
if [ ! -f tests/browser/node_modules/axe-core/axe.min.js ]; then
  (cd tests/browser && npm ci --ignore-scripts --no-audit --no-fund --silent)
fi
