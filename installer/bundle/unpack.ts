import {
  chmodSync,
  createWriteStream,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { replaceLink, syncPath } from '../../src/durable.ts';
import { Failure, isErrno } from '../../src/errors.ts';
import { ADDON } from '../../src/payload/addon.ts';
import type { AssetEntry, Assets } from '../../src/payload/types.ts';

/** Names that `kube` goes by on a node. */
const KUBE_LINKS = ['kubelet', 'kubeadm', 'kubectl'];
/** What has been written and verified, with size, time and hash: below the release's folder. */
const MARKER = '.unpacked.json';

interface Unpacked {
  sha256: string;
  size: number;
  mtimeMs: number;
}

/**
 * Writes a release's programs below `dir`: `bin/*` with the links to `kube`, `cni/loopback`, `lib/better_sqlite3.node`.
 * Each file is verified while it is written, made durable and only then given its name; what is already there is left
 * alone. May be killed anywhere and called again.
 * @throws Failure `unpack-failed`, `payload-altered`.
 */
export async function unpackRelease(assets: Assets, dir: string): Promise<void> {
  const marker = join(dir, MARKER);
  const done = readMarker(marker);
  const missing = new Map<string, { entry: AssetEntry; to: string }>();
  for (const entry of assets.entries()) {
    const to = target(entry, dir);
    if (to !== undefined && !isThere(to, entry, done[entry.path])) {
      missing.set(entry.path, { entry, to });
    }
  }
  await assets.streamAll([...missing.keys()], async (path, content) => {
    const item = missing.get(path);
    if (item === undefined) {
      return;
    }
    await writeEntry(content, item.entry, item.to);
    done[path] = { sha256: item.entry.sha256, size: item.entry.size, mtimeMs: statSync(item.to).mtimeMs };
    writeFileSync(`${marker}.tmp`, JSON.stringify(done), { mode: 0o644 });
    renameSync(`${marker}.tmp`, marker);
  });
  for (const name of KUBE_LINKS) {
    replaceLink(join(dir, 'bin', name), 'kube');
  }
  syncPath(join(dir, 'bin'));
  syncPath(dir);
}

function target(entry: AssetEntry, dir: string): string | undefined {
  if (entry.path.startsWith('bin/') || entry.path.startsWith('cni/')) {
    return join(dir, entry.path);
  }
  if (entry.path === ADDON) {
    return join(dir, 'lib/better_sqlite3.node');
  }
  return undefined;
}

function readMarker(file: string): Record<string, Unpacked> {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Record<string, Unpacked>;
  } catch {
    // Missing, or cut off by a power failure: everything is written again.
    return {};
  }
}

function isThere(file: string, entry: AssetEntry, done: Unpacked | undefined): boolean {
  if (done === undefined || done.sha256 !== entry.sha256 || !existsSync(file)) {
    return false;
  }
  const stat = statSync(file);
  return stat.size === entry.size && stat.mtimeMs === done.mtimeMs && (stat.mode & 0o777) === entry.mode;
}

async function writeEntry(content: Readable, entry: AssetEntry, to: string): Promise<void> {
  mkdirSync(dirname(to), { recursive: true, mode: 0o755 });
  const temporary = `${to}.tmp`;
  try {
    rmSync(temporary, { force: true });
    await pipeline(
      content,
      createWriteStream(temporary, { mode: entry.mode, flush: true, highWaterMark: 4 * 1024 * 1024 }),
    );
    // The mode that open() gave went through the umask.
    chmodSync(temporary, entry.mode);
    renameSync(temporary, to);
    syncPath(dirname(to));
  } catch (error) {
    rmSync(temporary, { force: true });
    if (error instanceof Failure) {
      throw error;
    }
    throw new Failure(
      'unpack-failed',
      `${to} could not be written: ${error instanceof Error ? error.message : String(error)}.`,
      {
        remedy: isErrno(error, 'ENOSPC') ? 'Free space there and run the same command again.' : undefined,
        cause: error,
      },
    );
  }
}
