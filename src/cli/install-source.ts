import { createWriteStream, mkdtempSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { verifyAssets } from '../assets.ts';
import { EXIT, Failure, isErrno } from '../errors.ts';
import { packaged, parseTrustKey, trustedKeys } from '../payload/keys.ts';
import { openPayload, type Payload } from '../payload/open.ts';
import { streamCore, streamPayload } from '../payload/read.ts';
import { verifyPayload } from '../payload/verify.ts';
import { VERSION } from '../version.ts';

export interface SourceOptions {
  /** A .bundle, or another executable of the same version. */
  bundle?: string;
  trustKey?: string;
}

/** What is copied to the machines; every byte of it has been checked. */
export interface InstallSource {
  executable: string;
  /** Hex; keys that the machines have to trust beside the one written into the executable. */
  extraKeys: string[];
  /** Removes what was made for it. */
  remove(): void;
}

/**
 * The executable that an install brings: this one, or, with `--bundle`, the one that the bundle holds, which is put
 * together in a temporary file. It lies on a disk (TMPDIR, else /var/tmp): /tmp may be memory.
 * @throws Failure exit code 2: `payload-altered`, `payload-untrusted`, `payload-unreadable`, `bundle-version`,
 *   `bundle-space`, `usage`.
 */
export async function openInstallSource(
  { bundle, trustKey }: SourceOptions,
  env: NodeJS.ProcessEnv,
): Promise<InstallSource> {
  if (bundle === undefined) {
    if (trustKey !== undefined) {
      throw new Failure('usage', '--trust-key is given without --bundle.', {
        remedy: 'Name the bundle that is signed by that key.',
        exitCode: EXIT.usage,
      });
    }
    await verifyAssets();
    return {
      executable: process.execPath,
      extraKeys: packaged ? extraKeys(process.execPath, trustedKeys()) : [],
      remove: () => undefined,
    };
  }
  const file = resolve(bundle);
  const keys = [...trustedKeys(), ...(trustKey === undefined ? [] : [parseTrustKey(trustKey)])];
  const payload = await openBundle(file, keys);
  const extra = builtIn(payload) ? [] : [payload.publicKey];
  if (payload.kind === 'executable') {
    return { executable: file, extraKeys: extra, remove: () => undefined };
  }
  const dir = mkdtempSync(join(env['TMPDIR'] ?? '/var/tmp', 'terrarium-bundle-'));
  const remove = (): void => rmSync(dir, { recursive: true, force: true });
  try {
    const executable = join(dir, 'terrarium');
    await unpackExecutable(payload, executable);
    await verifyPayload(executable, { trustedKeys: keys });
    return { executable, extraKeys: extra, remove };
  } catch (error) {
    remove();
    throw error;
  }
}

async function openBundle(file: string, keys: string[]): Promise<Payload> {
  const payload = openBundleIndex(file, keys);
  if (payload.index.version !== VERSION) {
    throw new Failure(
      'bundle-version',
      `${file} is of terrarium ${payload.index.version}, and this is terrarium ${VERSION}.`,
      { remedy: 'Install it with the terrarium that came with it.', exitCode: EXIT.usage },
    );
  }
  await verifyPayload(file, { trustedKeys: keys });
  return payload;
}

function openBundleIndex(file: string, keys: string[]): Payload {
  try {
    const payload = openPayload(file, keys);
    if (payload !== undefined) {
      return payload;
    }
  } catch (error) {
    if (!(error instanceof Failure) || error.code !== 'payload-untrusted') {
      throw error;
    }
    throw new Failure(error.code, error.message, {
      remedy: "If you know that this key is your vendor's, give it by `--trust-key`.",
      exitCode: EXIT.usage,
      cause: error,
    });
  }
  throw new Failure('payload-missing', `${file} is a terrarium without its payload.`, {
    remedy: 'Name a complete bundle.',
    exitCode: EXIT.usage,
  });
}

/** Whether the bundle is of this very build and signed by the key that is written into it. */
function builtIn({ index, publicKey }: Payload): boolean {
  return (
    packaged &&
    trustedKeys()[0] === publicKey &&
    openPayload(process.execPath, 'any')?.index.core.sha256 === index.core.sha256
  );
}

/** Beside the executable lies a file of keys that its administrator trusts; machines get the one that matters. */
function extraKeys(file: string, [own, ...more]: string[]): string[] {
  const signer = openPayload(file, 'any')?.publicKey;
  return signer !== undefined && signer !== own && more.includes(signer) ? [signer] : [];
}

/** Everything behind the head is the same bytes in both forms (src/payload/format.ts). */
async function unpackExecutable(payload: Payload, to: string): Promise<void> {
  try {
    await pipeline(
      Readable.from(both(payload), { objectMode: false, highWaterMark: 1 << 20 }),
      createWriteStream(to, { mode: 0o700, flags: 'wx' }),
    );
  } catch (error) {
    if (!isErrno(error, 'ENOSPC')) {
      throw error;
    }
    throw new Failure('bundle-space', `The bundle cannot be unpacked: no space is left for ${to}.`, {
      remedy: 'Free some space there, or name another folder by the variable TMPDIR.',
      exitCode: EXIT.usage,
      cause: error,
    });
  }
}

async function* both(payload: Payload): AsyncGenerator<Buffer> {
  yield* streamCore(payload);
  yield* streamPayload(payload);
}
