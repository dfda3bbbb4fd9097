import { createHash } from 'node:crypto';
import { existsSync, lstatSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { Failure } from '../errors.ts';
import type { Assets } from './types.ts';

/** The addon's path among the assets. */
export const ADDON = 'addon/better_sqlite3.node';

/**
 * A real file with SQLite's addon out of a payload: on a node that of the release's lib/, elsewhere a copy in a folder
 * that only this user can write. It is compared with its hash each time, since it is about to be executed.
 * @throws Failure `addon-unsafe`, `asset-missing`.
 */
export function addonFile(assets: Assets): string {
  const entry = assets.entries().find((e) => e.path === ADDON);
  if (entry === undefined) {
    throw new Failure('asset-missing', `${ADDON} is not in ${assets.origin}.`);
  }
  const released = join(dirname(process.execPath), '../lib/better_sqlite3.node');
  if (hasHash(released, entry.sha256)) {
    return released;
  }
  const dir = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'terrarium');
  const file = join(dir, `better_sqlite3-${entry.sha256.slice(0, 16)}.node`);
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const stat = lstatSync(dir);
  if (!stat.isDirectory() || stat.uid !== process.getuid?.() || (stat.mode & 0o022) !== 0) {
    throw new Failure('addon-unsafe', `${dir} can be written by others, so nothing can be executed from it.`, {
      remedy: `Run: chmod 700 ${dir}`,
    });
  }
  if (!hasHash(file, entry.sha256)) {
    writeFileSync(`${file}.${process.pid}`, assets.read(ADDON), { mode: 0o500 });
    renameSync(`${file}.${process.pid}`, file);
  }
  return file;
}

function hasHash(file: string, sha256: string): boolean {
  return existsSync(file) && createHash('sha256').update(readFileSync(file)).digest('hex') === sha256;
}
