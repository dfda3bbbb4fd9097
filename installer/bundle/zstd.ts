import { createHash } from 'node:crypto';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { cachedFolder, hashOwnFile, keyOf } from './cache.ts';

/** A window of 128 MiB finds what the programs have in common; decompressing needs as much memory. */
const ARGUMENTS = ['-19', '--long=27', '-T2'];

/** A file compressed with zstd, cached by its content. */
export async function compressFile(
  file: string,
  sha256: string,
): Promise<{ path: string; size: number; sha256: string }> {
  const dir = await cachedFolder('zstd', 'file', keyOf(sha256, ARGUMENTS), async (out) => {
    await execa('zstd', ['-q', ...ARGUMENTS, file, '-o', join(out, 'data')]);
  });
  const path = join(dir, 'data');
  return { path, size: statSync(path).size, sha256: await hashOwnFile(path) };
}

const BLOCK = 1024 * 1024;
/** Fewer equal blocks than these are not worth a frame of their own. */
const LEAST_RUN = 4;

/**
 * The executable compressed as a row of zstd frames, each cached. Most of it is Node's own program, the same in each
 * build, but for a few words in its midst; the frames are cut round these, so that only what changes is compressed
 * again.
 * @param node the program that the executable was made of.
 */
export async function compressCore(
  file: string,
  node: string,
): Promise<{ path: string; size: number; sha256: string; frames: number[] }> {
  const content = readFileSync(file);
  const bounds = cuts(content, readFileSync(node));
  const frames: { path: string; size: number }[] = [];
  for (const [i, from] of bounds.entries()) {
    const part = content.subarray(from, bounds[i + 1] ?? content.length);
    frames.push(await compressBytes(part));
  }
  const dir = await cachedFolder('zstd', 'core', keyOf(frames.map((f) => f.path)), async (out) => {
    writeFileSync(join(out, 'data'), Buffer.concat(frames.map((f) => readFileSync(f.path))));
  });
  const path = join(dir, 'data');
  return { path, size: statSync(path).size, sha256: await hashOwnFile(path), frames: frames.map((f) => f.size) };
}

/** Where runs of blocks that are the same in both begin and end. */
function cuts(a: Buffer, b: Buffer): number[] {
  const same: boolean[] = [];
  for (let at = 0; at < a.length; at += BLOCK) {
    same.push(at + BLOCK <= b.length && a.subarray(at, at + BLOCK).equals(b.subarray(at, at + BLOCK)));
  }
  for (let from = 0; from < same.length;) {
    const run = same.slice(from).findIndex((s) => s !== same[from]);
    const to = run === -1 ? same.length : from + run;
    if (same[from] === true && to - from < LEAST_RUN) {
      same.fill(false, from, to);
    }
    from = to;
  }
  return same.flatMap((s, i) => (i === 0 || s !== same[i - 1] ? [i * BLOCK] : []));
}

async function compressBytes(bytes: Buffer): Promise<{ path: string; size: number }> {
  const dir = await cachedFolder(
    'zstd',
    'part',
    keyOf(createHash('sha256').update(bytes).digest('hex'), ARGUMENTS),
    async (out) => {
      await execa('zstd', ['-q', ...ARGUMENTS, '-o', join(out, 'data')], { input: bytes });
    },
  );
  const path = join(dir, 'data');
  return { path, size: statSync(path).size };
}
