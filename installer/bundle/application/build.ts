import {
  createReadStream,
  createWriteStream,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { constants, createZstdCompress } from 'node:zlib';
import { payloadAssets } from '../../../src/assets.ts';
import { EXIT, Failure } from '../../../src/errors.ts';
import type { Index, StoredEntry } from '../../../src/payload/format.ts';
import { openPayload, type Payload } from '../../../src/payload/open.ts';
import { streamCore } from '../../../src/payload/read.ts';
import type { Assets } from '../../../src/payload/types.ts';
import { verifyPayload } from '../../../src/payload/verify.ts';
import { hashFile } from '../cache.ts';
import { blobEntry, bytesEntry } from '../entries.ts';
import { blobPath, imageNames, readImages } from '../image-archive.ts';
import type { SigningKey } from '../sign.ts';
import { assemble, writeBundle, type NewEntry, type Source } from '../write.ts';
import { readArchive, type ArchivedImage } from './archives.ts';
import { checkManifest } from './references.ts';
import { readApplication, type ApplicationRecord, type ApplicationSpec } from './spec.ts';

export interface BuildOptions {
  /** app.yaml */
  application: string;
  /** A terrarium executable or bundle without this application. */
  base: string;
  /** A name that ends in `.bundle` gives a bundle, any other an executable that installs everything. */
  out: string;
  key: SigningKey;
  trustedKeys: string[] | 'any';
}

/**
 * Adds an application to a base and signs the whole anew.
 * @throws Failure as readApplication, readArchive, checkManifest, verifyPayload; `bundle-write`.
 */
export async function buildApplicationBundle(
  options: BuildOptions,
): Promise<{ name: string; version: string; images: string[] }> {
  const application = readApplication(options.application);
  await verifyPayload(options.base, { trustedKeys: options.trustedKeys });
  const base = openPayload(options.base, options.trustedKeys);
  if (base === undefined) {
    throw new Failure('payload-missing', `${options.base} is a terrarium without its payload.`, {
      exitCode: EXIT.usage,
    });
  }
  const out = resolve(options.out);
  const work = tryWrite(out, () => mkdtempSync(`${out}.work-`));
  try {
    const images = await readImagesOf(application, work);
    const known = payloadAssets(base);
    refuseCollisions(known, application.name, images);
    const available = new Set([
      ...imageNames(known),
      ...readImages(known).map((i) => i.manifest.digest),
      ...images.flatMap((i) => [...i.record.names, i.record.manifest.digest]),
    ]);
    for (const file of application.manifests) {
      checkManifest(basename(file), readFileSync(file, 'utf8'), available);
    }
    const entries = merge(baseEntries(base, application.name), await applicationEntries(application, images, work));
    const head = await makeHead(base, out.endsWith('.bundle') ? 'bundle' : 'executable', work);
    const { format: _format, entries: _entries, ...index } = base.index;
    const payload = assemble(
      {
        ...index,
        core: { ...index.core, stored: head.stored },
        developmentKey: options.key.development,
        application: { name: application.name, version: application.version },
      },
      entries,
      options.key,
    );
    await writeBundle(join(work, 'out'), head.source, payload, out.endsWith('.bundle') ? 0o644 : 0o755);
    renameSync(join(work, 'out'), out);
    return { name: application.name, version: application.version, images: images.flatMap((i) => i.record.names) };
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function tryWrite<T>(out: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw new Failure(
      'bundle-write',
      `Nothing can be written to ${dirname(out)}: ${error instanceof Error ? error.message : String(error)}.`,
      { exitCode: EXIT.usage, cause: error },
    );
  }
}

async function readImagesOf(application: ApplicationSpec, work: string): Promise<ArchivedImage[]> {
  const images: ArchivedImage[] = [];
  for (const [i, archive] of application.images.entries()) {
    const dir = join(work, `archive-${i}`);
    mkdirSync(dir);
    images.push(...(await readArchive(archive, dir)));
  }
  return images;
}

/** One name cannot mean two images on a node. */
function refuseCollisions(known: Assets, name: string, images: ArchivedImage[]): void {
  const taken = new Map(
    readImages(known, (path) => !path.startsWith(`app/${name}/`)).flatMap((i) =>
      i.names.map((n) => [n, i.manifest.digest]),
    ),
  );
  for (const { record } of images) {
    for (const reference of record.names) {
      const other = taken.get(reference);
      if (other !== undefined && other !== record.manifest.digest) {
        throw new Failure('image-collision', `The base already carries another image named ${reference}.`, {
          remedy: "Give the application's image a name of its own.",
          exitCode: EXIT.usage,
        });
      }
    }
  }
}

/** What the base carries, as it is; an application of the same name gives way, with the blobs that only it needs. */
function baseEntries(base: Payload, name: string): NewEntry[] {
  const needed = new Set(
    readImages(payloadAssets(base), (path) => !path.startsWith(`app/${name}/`)).flatMap((i) => i.blobs.map(blobPath)),
  );
  return base.index.entries
    .filter((e) => !e.path.startsWith(`app/${name}/`) && (!e.path.startsWith('blobs/') || needed.has(e.path)))
    .map((entry) =>
      'stored' in entry
        ? { entry, source: { file: base.file, offset: base.offsets.get(entry.path) ?? 0, size: entry.stored.size } }
        : { entry },
    );
}

async function applicationEntries(
  application: ApplicationSpec,
  images: ArchivedImage[],
  work: string,
): Promise<NewEntry[]> {
  const folder = `app/${application.name}`;
  const record: ApplicationRecord = { name: application.name, version: application.version, ports: application.ports };
  const taken = new Set<string>();
  const entries = [
    bytesEntry(`${folder}/app.json`, Buffer.from(JSON.stringify(record))),
    bytesEntry(`${folder}/images.json`, Buffer.from(JSON.stringify(images.map((i) => i.record)))),
  ];
  for (const file of application.manifests) {
    // Applied in the order of their names, which is that of app.yaml.
    const name = `${String(taken.size).padStart(2, '0')}-${basename(file)
      .replace(/\.ya?ml$/, '')
      .replaceAll(/[^A-Za-z0-9_.-]/g, '_')}.yaml`;
    taken.add(name);
    entries.push(bytesEntry(`${folder}/manifests/${name}`, readFileSync(file)));
  }
  for (const image of images) {
    for (const [digest, content] of image.blobs) {
      entries.push(
        typeof content === 'string' ? await layerEntry(digest, content, work) : bytesEntry(blobPath(digest), content),
      );
    }
  }
  return entries;
}

/** A layer, compressed for the payload if it is not compressed already; the node gets it as the archive had it. */
async function layerEntry(digest: string, file: string, work: string): Promise<NewEntry> {
  const plain = blobEntry(blobPath(digest), file, digest);
  const packed = join(work, `${digest.replace(':', '-')}.zst`);
  await compress(createReadStream(file, { highWaterMark: 1 << 20 }), packed);
  const { size } = statSync(packed);
  if (size > plain.entry.size * 0.95) {
    return plain;
  }
  const { stored: _stored, ...entry } = plain.entry as StoredEntry;
  return {
    entry: { ...entry, stored: { size, sha256: await hashFile(packed), compression: 'zstd' } },
    source: { file: packed, offset: 0, size },
  };
}

async function compress(from: Readable, to: string): Promise<void> {
  const params = {
    [constants.ZSTD_c_compressionLevel]: 12,
    [constants.ZSTD_c_enableLongDistanceMatching]: 1,
    [constants.ZSTD_c_windowLog]: 27,
  };
  await pipeline(from, createZstdCompress({ params }), createWriteStream(to));
}

/** Blobs are named by their content: the same one is kept once. */
function merge(base: NewEntry[], added: NewEntry[]): NewEntry[] {
  const all = new Map(base.map((e) => [e.entry.path, e]));
  for (const entry of added) {
    if (!all.has(entry.entry.path)) {
      all.set(entry.entry.path, entry);
    }
  }
  return [...all.values()];
}

/** The core in the form that the result needs, and the record of its compressed form. */
async function makeHead(
  base: Payload,
  kind: 'bundle' | 'executable',
  work: string,
): Promise<{ source: Source; stored: Index['core']['stored'] }> {
  const { core } = base.index;
  const asIs: Source = { file: base.file, offset: 0, size: base.start };
  if (kind === base.kind) {
    return { source: asIs, stored: core.stored };
  }
  const file = join(work, 'core');
  if (kind === 'executable') {
    await pipeline(streamCore(base), createWriteStream(file));
    return { source: { file, offset: 0, size: core.size }, stored: core.stored };
  }
  await compress(createReadStream(base.file, { start: 0, end: base.start - 1, highWaterMark: 1 << 20 }), file);
  const { size } = statSync(file);
  return { source: { file, offset: 0, size }, stored: { size, sha256: await hashFile(file), frames: [size] } };
}
