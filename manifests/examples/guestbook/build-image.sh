#!/bin/sh
# Makes guestbook.tar, a docker-archive, out of Debian's busybox-static and root/ beside this file: no Docker, the same
# bytes each time. Needs only what every Debian has (apt, dpkg, tar, coreutils) and apt's lists of packages, which it
# fetches where it is root and they are missing; otherwise not root. Usage: build-image.sh [OUTPUT]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=${1:-$here/guestbook.tar}
case $out in /*) ;; *) out=$PWD/$out ;; esac
name=terrarium.local/examples/guestbook:1.0.0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cd "$work"
# apt checks the package against its signed index.
fetch() { apt-get download -q -o APT::Sandbox::User=root busybox-static >&2; }
unfetched() { echo "apt-get could not fetch the package busybox-static; $1" >&2; exit 1; }
if ! fetch; then
  [ "$(id -u)" = 0 ] || unfetched "if apt has no lists yet, run as root: apt-get update"
  apt-get update -q >&2 && fetch || unfetched "is a Debian mirror in /etc/apt/sources.list, and reachable?"
fi
dpkg-deb -x busybox-static_*.deb package

mkdir -p root/bin root/data image
cp -R "$here/root/." root/
cp package/bin/busybox root/bin/busybox
for applet in sh httpd cat sed head tr date kill; do ln -s busybox "root/bin/$applet"; done
chmod -R u=rwX,go=rX root
chmod 755 root/bin/* root/www/cgi-bin/*

same() { tar --sort=name --mtime=@1767225600 --owner=0 --group=0 --numeric-owner --format=ustar "$@"; }
same -C root -cf image/layer.tar .
layer=$(sha256sum image/layer.tar | cut -d' ' -f1)
cat > config.json <<JSON
{"architecture":"amd64","os":"linux","created":"2026-01-01T00:00:00Z",\
"config":{"Env":["PATH=/bin","PORT=8085"],"Entrypoint":["/bin/serve"],"User":"65534:65534"},\
"rootfs":{"type":"layers","diff_ids":["sha256:$layer"]},\
"history":[{"created":"2026-01-01T00:00:00Z","created_by":"build-image.sh"}]}
JSON
config=$(sha256sum config.json | cut -d' ' -f1)
mv config.json "image/$config.json"
printf '[{"Config":"%s.json","RepoTags":["%s"],"Layers":["layer.tar"]}]\n' "$config" "$name" > image/manifest.json
same -C image -cf "$out" manifest.json "$config.json" layer.tar
echo "$out: $name"
