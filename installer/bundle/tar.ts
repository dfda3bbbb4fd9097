import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream, statSync } from 'node:fs';
import { posix } from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { pack, type Header, type Pack } from 'tar-stream';

type Head = Partial<Header> & { name: string };

/**
 * One file of an image's layer. `content`: its bytes, or the path of a file on this machine; a link has `target`
 * instead.
 */
export type LayerFile =
  | { path: string; mode: number; uid?: number; content: Buffer | string }
  | { path: string; target: string }
  | { path: string; mode: number; uid?: number; directory: true };

/** 2026-01-01: every file of every image has this time, so that the same content gives the same bytes. */
const MTIME = new Date('2026-01-01T00:00:00Z');

function header(file: LayerFile): Head {
  const base = {
    uid: 'uid' in file ? (file.uid ?? 0) : 0,
    gid: 'uid' in file ? (file.uid ?? 0) : 0,
    mtime: MTIME,
    uname: '',
    gname: '',
  };
  if ('target' in file) {
    return { ...base, name: file.path, type: 'symlink', linkname: file.target, mode: 0o777 };
  }
  if ('directory' in file) {
    return { ...base, name: `${file.path}/`, type: 'directory', mode: file.mode };
  }
  const size = typeof file.content === 'string' ? statSync(file.content).size : file.content.length;
  return { ...base, name: file.path, type: 'file', mode: file.mode, size };
}

/** All folders above the files that are not listed themselves, root's and 0755. */
function withFolders(files: LayerFile[]): LayerFile[] {
  const known = new Set(files.map((f) => f.path));
  const all = [...files];
  for (const file of files) {
    for (let dir = posix.dirname(file.path); dir !== '.' && !known.has(dir); dir = posix.dirname(dir)) {
      known.add(dir);
      all.push({ path: dir, mode: 0o755, directory: true });
    }
  }
  return all.sort((a, b) => (a.path < b.path ? -1 : 1));
}

export interface WrittenTar {
  size: number;
  sha256: string;
  /** Where each plain file's bytes begin in the tar. */
  offsets: Record<string, number>;
}

/** Writes a layer as a tar: sorted, fixed times, so that the same files give the same bytes. */
export async function writeTar(files: LayerFile[], to: string): Promise<WrittenTar> {
  const tar = pack();
  const hash = createHash('sha256');
  let size = 0;
  const measure = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      size += chunk.length;
      hash.update(chunk);
      done(null, chunk);
    },
  });
  const written = pipeline(tar, measure, createWriteStream(to));
  const offsets: Record<string, number> = {};
  let at = 0;
  for (const file of withFolders(files)) {
    const head = header(file);
    if (head.name.length > 100) {
      throw new Error(`path too long for a plain tar header: ${head.name}`);
    }
    at += 512;
    if (head.type === 'file') {
      offsets[file.path] = at;
      at += Math.ceil((head.size ?? 0) / 512) * 512;
    }
    await add(tar, head, 'content' in file ? file.content : undefined);
  }
  tar.finalize();
  await written;
  return { size, sha256: hash.digest('hex'), offsets };
}

async function add(tar: Pack, head: Head, content: Buffer | string | undefined): Promise<void> {
  if (typeof content !== 'string') {
    await new Promise<void>((resolve, reject) =>
      tar.entry(head, content ?? Buffer.alloc(0), (error) => (error ? reject(error) : resolve())),
    );
    return;
  }
  await pipeline(createReadStream(content, { highWaterMark: 1 << 20 }), tar.entry(head));
}

/**
 * The bytes of a tar before and after the content of its only file: folders and header in front, padding and end
 * behind.
 */
export async function tarAround(
  file: { path: string; mode: number },
  size: number,
): Promise<{ before: Buffer; after: number }> {
  const entries = withFolders([{ ...file, content: Buffer.alloc(0) }]);
  const tar = pack();
  const chunks: Buffer[] = [];
  let length = 0;
  tar.on('data', (chunk) => {
    chunks.push(chunk as Buffer);
    length += (chunk as Buffer).length;
  });
  for (const entry of entries) {
    if ('directory' in entry) {
      await add(tar, header(entry), undefined);
    }
  }
  // Only its header is needed: the content is the caller's.
  tar.entry({ ...header({ ...file, content: Buffer.alloc(0) }), size });
  while (length < entries.length * 512) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  return { before: Buffer.concat(chunks), after: ((512 - (size % 512)) % 512) + 1024 };
}
