import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { Failure } from './errors.ts';
import { ADDON, addonFile } from './payload/addon.ts';
import { folderAssets } from './payload/folder.ts';
import { packaged, trustedKeys } from './payload/keys.ts';
import { openPayload } from './payload/open.ts';
import type { Payload } from './payload/open.ts';
import { readEntry, streamEntries, streamEntry } from './payload/read.ts';

/**
 * The only reader of what is shipped beside the code: third-party programs, images, console, manifests, the SQLite
 * addon.
 *
 * Where they come from: the payload appended to the running executable (src/payload/format.ts documents its bytes);
 * without one, the folder /usr/share/terrarium (inside our own container images); in development, build/payload.
 */
export interface AssetEntry {
  /** `bin/kube`, `blobs/sha256/<hex>`, `console/index.html`, `manifests/cloud.yaml` … */
  path: string;
  /** Bytes, uncompressed. */
  size: number;
  sha256: string;
  /** Unix mode, 0o755 for programs. */
  mode: number;
}

export interface Assets {
  /** Where the bytes come from, for messages. */
  origin: string;
  entries(): AssetEntry[];
  has(path: string): boolean;
  /** Whole content, verified against its sha256; for small things. */
  read(path: string): Buffer;
  /** Content as a stream, verified: the stream fails at its end if the hash differs. */
  stream(path: string): Readable;
  /**
   * Several contents, each as `stream` gives it, in the order in which they lie: what is inside the same compressed
   * entry is decompressed once.
   * `sink` takes one content after the other, and must have read it to its end when it returns.
   */
  streamAll(paths: string[], sink: (path: string, content: Readable) => Promise<void>): Promise<void>;
}

/** Where our own container images have the assets. */
export const SHARE_DIR = '/usr/share/terrarium';

let opened: Assets | undefined;

/**
 * The assets of this program. Cheap: reads footer and index and checks the signature; each entry is checked as it is
 * read.
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
