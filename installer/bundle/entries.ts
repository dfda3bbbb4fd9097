import { createHash } from 'node:crypto';
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { constants, zstdCompressSync } from 'node:zlib';
import type { NewEntry } from './write.ts';

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

/** A small entry out of memory, compressed where that helps. */
export function bytesEntry(path: string, content: Buffer, mode = 0o644): NewEntry {
  const base = { path, size: content.length, sha256: sha256(content), mode };
  const packed = zstdCompressSync(content, { params: { [constants.ZSTD_c_compressionLevel]: 19 } });
  if (packed.length >= content.length) {
    return {
      entry: { ...base, stored: { size: content.length, sha256: base.sha256, compression: 'none' } },
      source: { bytes: content },
    };
  }
  return {
    entry: { ...base, stored: { size: packed.length, sha256: sha256(packed), compression: 'zstd' } },
    source: { bytes: packed },
  };
}

/** A file of this machine that is stored as it is, such as a layer, which is compressed already. */
export function blobEntry(path: string, file: string, digest: string): NewEntry {
  const { size } = statSync(file);
  const hex = digest.replace('sha256:', '');
  return {
    entry: { path, size, sha256: hex, mode: 0o644, stored: { size, sha256: hex, compression: 'none' } },
    source: { file, offset: 0, size },
  };
}

/** Every file below a folder, as `PREFIX/…`, with its content. */
export function filesBelow(dir: string, prefix: string): { path: string; content: Buffer }[] {
  return readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((e) => e.isFile())
    .map((e) => join(e.parentPath, e.name))
    .sort()
    .map((file) => ({ path: `${prefix}${file.slice(dir.length)}`, content: readFileSync(file) }));
}
