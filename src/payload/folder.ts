import { createHash } from 'node:crypto';
import { createReadStream, existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Failure } from '../errors.ts';
import { isEntryPath } from './format.ts';
import type { AssetEntry, Assets } from './types.ts';

/** Assets that lie in a folder, as in our own container images, whose digest vouches for them. */
export function folderAssets(dir: string): Assets {
  const locate = (path: string): string => {
    const file = join(dir, path);
    if (!isEntryPath(path) || !existsSync(file)) {
      throw new Failure('asset-missing', `${path} is not in ${dir}.`);
    }
    return file;
  };
  return {
    origin: dir,
    entries: () =>
      readdirSync(dir, { recursive: true, withFileTypes: true })
        .filter((e) => e.isFile())
        .map((e) => entry(dir, join(e.parentPath, e.name)))
        .sort((a, b) => (a.path < b.path ? -1 : 1)),
    has: (path) => isEntryPath(path) && existsSync(join(dir, path)),
    read: (path) => readFileSync(locate(path)),
    stream: (path) => createReadStream(locate(path)),
    async streamAll(paths, sink) {
      for (const path of paths) {
        await sink(path, createReadStream(locate(path)));
      }
    },
  };
}

function entry(dir: string, file: string): AssetEntry {
  const content = readFileSync(file);
  return {
    path: file.slice(dir.length + 1),
    size: content.length,
    sha256: createHash('sha256').update(content).digest('hex'),
    mode: statSync(file).mode & 0o777,
  };
}
