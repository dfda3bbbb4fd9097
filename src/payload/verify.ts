import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { EXIT, Failure } from '../errors.ts';
import type { Index } from './format.ts';
import { openPayload, type Payload } from './open.ts';

const CHUNK = 4 * 1024 * 1024;

/**
 * Checks every byte of a payload: signature, key, index, the core in front and each entry. Nothing of a file may be
 * executed, imported or copied to a machine before this has returned.
 * @param options.trustedKeys hexadecimal public keys, or `any`.
 * @throws Failure `payload-altered`, `payload-untrusted`, `payload-missing`, `payload-unreadable`.
 */
export async function verifyPayload(file: string, options: { trustedKeys: string[] | 'any' }): Promise<Index> {
  const payload = openPayload(file, options.trustedKeys);
  if (payload === undefined) {
    throw new Failure('payload-missing', `${file} is a terrarium without its payload.`, {
      remedy: 'Use the complete file as it was delivered.',
      exitCode: EXIT.usage,
    });
  }
  const handle = await open(file, 'r');
  try {
    const buffer = Buffer.allocUnsafe(CHUNK);
    for (const { what, offset, size, sha256 } of regions(payload)) {
      const hash = createHash('sha256');
      for (let at = 0; at < size;) {
        const { bytesRead } = await handle.read(buffer, 0, Math.min(CHUNK, size - at), offset + at);
        if (bytesRead === 0) {
          break;
        }
        hash.update(buffer.subarray(0, bytesRead));
        at += bytesRead;
      }
      if (hash.digest('hex') !== sha256) {
        throw new Failure(
          'payload-altered',
          `${file} was altered or damaged: ${what} does not have the hash in its signed index.`,
          {
            remedy: 'Get it again from where it came from and compare its SHA256SUMS.',
            exitCode: EXIT.usage,
          },
        );
      }
    }
  } finally {
    await handle.close();
  }
  return payload.index;
}

function regions({
  kind,
  start,
  index,
  offsets,
}: Payload): { what: string; offset: number; size: number; sha256: string }[] {
  const core = kind === 'executable' ? index.core : index.core.stored;
  const list = [{ what: 'the executable itself', offset: 0, size: start, sha256: core.sha256 }];
  for (const entry of index.entries) {
    if ('stored' in entry) {
      list.push({
        what: entry.path,
        offset: offsets.get(entry.path) ?? 0,
        size: entry.stored.size,
        sha256: entry.stored.sha256,
      });
    }
  }
  return list;
}
