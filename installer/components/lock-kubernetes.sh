#!/bin/bash
# Locks a Kubernetes release: writes go.mod and go.sum of its line. Usage: lock-kubernetes.sh 1.36.3
# Afterwards write the version into ../components.yaml with `sha256: unlocked`, run ./build.sh, and copy the checksum
# that it prints.
#
# k8s.io/kubernetes is published as a module, but its go.mod replaces the staging modules by folders that are not in it:
# ours replaces them by the published v0.MINOR.PATCH of the same release.
set -euo pipefail
version=$1 minor=${1#1.}
here=$(cd "$(dirname "$0")" && pwd)
line=$here/kube-1.${minor%%.*}/kube
mkdir -p "$line"
[[ -e $line/main.go ]] || ln -s ../../kube-1.36/kube/main.go "$line/main.go"
cd "$line"
export GOFLAGS=-mod=mod
sources=$(go mod download -json "k8s.io/kubernetes@v$version" | sed -n 's/^\t"Dir": "\(.*\)",/\1/p')
{
  printf 'module components\n\ngo 1.26.0\n\nrequire k8s.io/kubernetes v%s\n\n' "$version"
  sed -n 's#^\t\(k8s.io/[a-z-]*\) => ./staging.*#replace \1 => \1 v0.'"$minor"'#p' "$sources/go.mod"
} > go.mod
rm -f go.sum
go mod tidy -e
