import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Failure } from './errors.ts';
import { ADDON, addonFile } from './payload/addon.ts';
import { folderAssets } from './payload/folder.ts';
import { packaged, trustedKeys } from './payload/keys.ts';
import { openPayload, type Payload } from './payload/open.ts';
import { readEntry, streamEntries, streamEntry } from './payload/read.ts';
import type { Assets } from './payload/types.ts';

/** Where our own container images have the assets. */
export const SHARE_DIR = '/usr/share/terrarium';

let opened: Assets | undefined;

/**
 * The only reader of what is shipped beside the code: third-party programs, images, console, manifests, the SQLite
 * addon.
 *
 * The assets come from the payload appended to the running executable (src/payload/format.ts documents its bytes);
 * without one, from the folder /usr/share/terrarium (inside our own container images); in development, from
 * build/payload. Opening them is cheap: it reads footer and index and checks the signature; each entry is checked as it
 * is read.
 * @throws Failure `payload-altered`, `payload-untrusted`, `assets-missing`.
 */
export function openAssets(): Assets {
  opened ??= find();
  return opened;
}

function find(): Assets {
  if (!packaged) {
    return development();
  }
  const payload = openPayload(process.execPath, trustedKeys());
  if (payload !== undefined) {
    return payloadAssets(payload);
  }
  if (existsSync(SHARE_DIR)) {
    return folderAssets(SHARE_DIR);
  }
  throw new Failure(
    'assets-missing',
    `${process.execPath} is a terrarium without its payload, and there is no ${SHARE_DIR}.`,
    { remedy: 'Use the complete file as it was delivered.' },
  );
}

function development(): Assets {
  const file = join(import.meta.dirname, '../build/payload');
  const payload = existsSync(file) ? openPayload(file, 'any') : undefined;
  if (payload === undefined) {
    throw new Failure('assets-missing', 'There is no build/payload yet.', { remedy: 'Run ./build.sh once.' });
  }
  return payloadAssets(payload);
}

/** The assets of a payload that has been opened, such as that of a bundle. */
export function payloadAssets(payload: Payload): Assets {
  const byPath = new Map(payload.index.entries.map((e) => [e.path, e]));
  const locate = (path: string) => {
    const entry = byPath.get(path);
    if (entry === undefined) {
      throw new Failure('asset-missing', `${path} is not in ${payload.file}.`);
    }
    return entry;
  };
  return {
    origin: payload.file,
    entries: () => payload.index.entries.map(({ path, size, sha256, mode }) => ({ path, size, sha256, mode })),
    has: (path) => byPath.has(path),
    read: (path) => readEntry(payload, locate(path)),
    stream: (path) => streamEntry(payload, locate(path)),
    streamAll: (paths, sink) =>
      streamEntries(payload, paths.map(locate), (entry, content) => sink(entry.path, content)),
  };
}

/**
 * A real file with SQLite's native addon, for better-sqlite3's `nativeBinding`.
 * @throws Failure as openAssets, `addon-unsafe`.
 */
export function addonPath(): string {
  if (!packaged) {
    return join(import.meta.dirname, '../node_modules/better-sqlite3/prebuilds/linux-x64.node');
  }
  const assets = openAssets();
  return assets.origin === SHARE_DIR ? join(SHARE_DIR, ADDON) : addonFile(assets);
}

/**
 * Checks every byte of this executable and of its payload, in a third of a second; before it is copied to machines or
 * anything of it is carried out. Without effect in development and in our own images.
 * @throws Failure `payload-altered`, `payload-untrusted`, `payload-missing`.
 */
export async function verifyAssets(): Promise<void> {
  if (!packaged || (openPayload(process.execPath, trustedKeys()) === undefined && existsSync(SHARE_DIR))) {
    return;
  }
  const { verifyPayload } = await import('./payload/verify.ts');
  await verifyPayload(process.execPath, { trustedKeys: trustedKeys() });
}
