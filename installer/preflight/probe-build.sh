#!/bin/sh
# Compiles the native helper of preflight: probe-build.sh OUTPUT
# The same compiler gives the same bytes, wherever the checkout lies. The helper is linked to the machine's C library,
# which the executable needs anyway. Needs gcc and libc6-dev.
set -eu
source=$(cd "$(dirname "$0")/../../src/native" && pwd)
mkdir -p "$(dirname "$1")"
output=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
cd "$source"
gcc -std=gnu11 -Os -s -Wall -Wextra -Werror -Wl,--build-id=none -ffile-prefix-map="$source"=. -o "$output" probe.c
