#!/bin/sh
# Compiles the native helper of preflight into one static file: probe-build.sh OUTPUT
# The same compiler gives the same bytes, wherever the checkout lies. Needs gcc and libc6-dev.
set -eu
source=$(cd "$(dirname "$0")/../../src/native" && pwd)
mkdir -p "$(dirname "$1")"
cd "$source"
gcc -std=gnu11 -Os -static -s -Wall -Wextra -Werror -Wl,--build-id=none -ffile-prefix-map="$source"=. -o "$1" probe.c
