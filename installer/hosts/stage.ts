import { stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Failure } from '../../src/errors.ts';
import { TRUSTED_KEYS } from '../../src/payload/keys.ts';
import type { Host } from './host.ts';
import { sha256File } from './upload.ts';

/** In this order: /var/tmp lies on a disk, /tmp and /run may be memory, any may be mounted noexec. */
const FOLDERS = ['/var/tmp', '/tmp', '/run', '/root', '/var/lib', '/opt'];

// Really executes a file in each folder: mount options tell nothing about SELinux, fapolicyd and the like.
const FIND = `
name=$1; need=$2; sum=$3; shift 3; last=none
for f in "$@"; do
  [ -d "$f" ] || continue
  d="$f/$name"
  if [ -f "$d/terrarium" ] && [ "$(sha256sum < "$d/terrarium")" = "$sum  -" ] &&
    "$d/terrarium" --version >/dev/null 2>&1; then echo "have $d"; exit 0; fi
  free=$(df -Pk "$f" | awk 'NR==2 {print $4}')
  if [ "$free" -lt "$need" ]; then last="$f has only $free KiB free"; continue; fi
  rm -rf "$d"; mkdir -m 0700 "$d" || { last="$f cannot be written"; continue; }
  printf '#!/bin/sh\\nexit 0\\n' > "$d/try" && chmod 700 "$d/try"
  if "$d/try" 2>/dev/null; then rm -f "$d/try"; echo "put $d"; exit 0; fi
  last="$f does not allow programs (noexec)"; rm -rf "$d"
done
echo "none $last"; exit 1`;

export interface StageOptions {
  /** One past the last byte to send: the part without the payload is enough for facts and probes. */
  end?: number;
  signal?: AbortSignal | undefined;
  onProgress?: (host: Host, sent: number, total: number) => void;
}

/**
 * Copies the executable to every host, into a folder (0700) named by its hash where programs may run; a copy that is
 * there already is used. Returns its path on each host; `unstage` removes it. Where it fails on one host, nothing is
 * left on any.
 * @throws Failure `no-stage-folder`, `upload-failed`.
 */
export async function stage(hosts: Host[], executable: string, options: StageOptions = {}): Promise<Map<Host, string>> {
  const end = options.end ?? (await stat(executable)).size;
  const sha256 = await sha256File(executable, 0, end);
  const staged = new Map<Host, string>();
  const results = await Promise.allSettled(
    hosts.map(async (host) => {
      const found = await host.run(
        [
          'sh',
          '-s',
          '--',
          `.terrarium-${sha256.slice(0, 16)}`,
          String(Math.ceil(end / 1024) + 1024),
          sha256,
          ...FOLDERS,
        ],
        { input: FIND, signal: options.signal },
      );
      const [verdict, ...rest] = found.stdout.trim().split('\n').at(-1)?.split(' ') ?? [];
      const folder = rest.join(' ');
      if (verdict === 'have') {
        return void staged.set(host, `${folder}/terrarium`);
      }
      if (verdict !== 'put') {
        throw new Failure(
          'no-stage-folder',
          `${host.name}: there is no folder from which a program can be run (${FOLDERS.join(', ')}): ` +
            `${folder === '' ? found.stderr.trim() : folder}.`,
          {
            host: host.name,
            remedy: 'Free some space, or mount one of them without noexec.',
          },
        );
      }
      const path = `${folder}/terrarium`;
      staged.set(host, path);
      await host.upload(executable, path, {
        mode: 0o700,
        end,
        sha256,
        signal: options.signal,
        onProgress: (sent, total) => options.onProgress?.(host, sent, total),
      });
    }),
  );
  const failed = results.find((r) => r.status === 'rejected');
  if (failed === undefined) {
    return staged;
  }
  await unstage(staged);
  throw failed.reason;
}

/**
 * Has the staged copies trust these keys (hex) too: `trusted-keys` beside each, see src/payload/keys.ts.
 * @throws Failure `no-stage-folder`.
 */
export async function stageTrustedKeys(staged: Map<Host, string>, keys: string[]): Promise<void> {
  if (keys.length === 0) {
    return;
  }
  await Promise.all(
    [...staged].map(async ([host, path]) => {
      const file = join(dirname(path), TRUSTED_KEYS);
      const written = await host.run(['sh', '-c', 'cat > "$1" && chmod 0600 "$1"', 'sh', file], {
        input: keys.map((k) => `${k}\n`).join(''),
      });
      if (written.exitCode !== 0) {
        throw new Failure('no-stage-folder', `${host.name}: ${file} cannot be written: ${written.stderr.trim()}.`, {
          host: host.name,
        });
      }
    }),
  );
}

/** Removes what `stage` left; never fails. */
export async function unstage(staged: Map<Host, string>): Promise<void> {
  await Promise.allSettled(
    [...staged].map(([host, path]) => host.run(['rm', '-rf', '--', path.replace(/\/terrarium$/, '')])),
  );
}
