import { closeSync, openSync, readSync, statSync, writeFileSync, createReadStream, createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { execa } from 'execa';
import { cachedFolder, hashOwnFile, keyOf } from './cache.ts';

/** A window of 128 MiB finds what the programs have in common; decompressing needs as much memory. */
const ARGUMENTS = ['-19', '--long=27', '-T2'];

/** A file compressed with zstd, cached by its content. */
export async function compressFile(file: string, sha256: string): Promise<{ path: string; size: number; sha256: string }> {
  const dir = await cachedFolder('zstd', 'file', keyOf(sha256, ARGUMENTS), async (out) => {
    await execa('zstd', ['-q', ...ARGUMENTS, file, '-o', join(out, 'data')]);
  });
  const path = join(dir, 'data');
  return { path, size: statSync(path).size, sha256: await hashOwnFile(path) };
}

/**
 * The executable compressed as a row of zstd frames, each cached: what changes from build to build is its beginning and its end, and
 * the Node in between need not be compressed again.
 */
export async function compressCore(file: string): Promise<{ path: string; size: number; sha256: string; frames: number[] }> {
  const { size } = statSync(file);
  const MiB = 1024 * 1024;
  const bounds = [0, MiB, 64 * MiB, 88 * MiB, 96 * MiB].filter((b) => b < size);
  const frames: { path: string; size: number }[] = [];
  for (const [i, from] of bounds.entries()) {
    const to = bounds[i + 1] ?? size;
    const dir = await cachedFolder('slices', 'core', keyOf(await hashOwnFile(file), from, to), async (out) => slice(file, from, to, join(out, 'data')));
    const part = join(dir, 'data');
    frames.push(await compressFile(part, await hashOwnFile(part)));
  }
  const key = keyOf(frames.map((f) => f.path));
  const dir = await cachedFolder('zstd', 'core', key, async (out) => {
    for (const [i, frame] of frames.entries()) await pipeline(createReadStream(frame.path), createWriteStream(join(out, 'data'), { flags: i === 0 ? 'w' : 'a' }));
  });
  const path = join(dir, 'data');
  return { path, size: statSync(path).size, sha256: await hashOwnFile(path), frames: frames.map((f) => f.size) };
}

function slice(file: string, from: number, to: number, out: string): Promise<void> {
  const buffer = Buffer.alloc(to - from);
  const fd = openSync(file, 'r');
  try {
    readSync(fd, buffer, 0, buffer.length, from);
  } finally {
    closeSync(fd);
  }
  writeFileSync(out, buffer);
  return Promise.resolve();
}
