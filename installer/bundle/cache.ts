import { createHash } from 'node:crypto';
import {
  createReadStream,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';

/** Where everything lies that may be deleted at any time at the price of a slower build. */
export function cacheRoot(): string {
  return process.env['TERRARIUM_CACHE'] ?? join(homedir(), '.cache/terrarium');
}

/** sha256 of JSON-able values, hex. */
export function keyOf(...values: unknown[]): string {
  return createHash('sha256').update(JSON.stringify(values)).digest('hex');
}

/** sha256 of a file's content, hex. */
export async function hashFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), hash);
  return hash.digest('hex');
}

/**
 * As hashFile, remembering the result beside size, mtime and inode: a build that changes nothing does not read hundreds
 * of megabytes again.
 * Only for the build's own files, never for what comes from elsewhere.
 */
export async function hashOwnFile(path: string): Promise<string> {
  const stat = statSync(path, { bigint: true });
  const memo = join(cacheRoot(), 'hashes', keyOf(path, String(stat.size), String(stat.mtimeNs), String(stat.ino)));
  if (existsSync(memo)) {
    const known = readFileSync(memo, 'utf8');
    if (/^[0-9a-f]{64}$/.test(known)) {
      return known;
    }
  }
  const sha256 = await hashFile(path);
  mkdirSync(join(cacheRoot(), 'hashes'), { recursive: true });
  writeFileSync(memo, sha256);
  return sha256;
}

/**
 * A folder made once for each key: `produce` fills a temporary one, which is then renamed, so that an interrupted build
 * leaves nothing half.
 * @returns the folder's path.
 */
export async function cachedFolder(
  kind: string,
  name: string,
  key: string,
  produce: (dir: string) => Promise<void>,
): Promise<string> {
  const parent = join(cacheRoot(), kind);
  const dir = join(parent, `${name}-${key.slice(0, 24)}`);
  if (existsSync(dir)) {
    // So that prune() knows it is in use.
    utimesSync(dir, new Date(), new Date());
    return dir;
  }
  mkdirSync(parent, { recursive: true });
  const temporary = mkdtempSync(join(parent, '.new-'));
  try {
    await produce(temporary);
    try {
      renameSync(temporary, dir);
    } catch (error) {
      // Another build was faster with the same content.
      if (!existsSync(dir)) {
        throw error;
      }
    }
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
  return dir;
}

/** Removes all but the `keep` most recently used folders of a kind. */
export function prune(kind: string, keep: number): void {
  const parent = join(cacheRoot(), kind);
  if (!existsSync(parent)) {
    return;
  }
  const folders = readdirSync(parent)
    .filter((name) => !name.startsWith('.'))
    .map((name) => ({ name, used: statSync(join(parent, name)).mtimeMs }))
    .sort((a, b) => b.used - a.used);
  for (const { name } of folders.slice(keep)) {
    rmSync(join(parent, name), { recursive: true, force: true });
  }
}
