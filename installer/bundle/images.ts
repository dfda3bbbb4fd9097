import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cachedFolder, hashOwnFile, keyOf } from './cache.ts';
import type { ImageRecord } from './image-archive.ts';
import { say } from './progress.ts';
import { writeTar, type LayerFile, type WrittenTar } from './tar.ts';
import { compressFile } from './zstd.ts';

const LAYER_ZSTD = 'application/vnd.oci.image.layer.v1.tar+zstd';
const LAYER_PLAIN = 'application/vnd.oci.image.layer.v1.tar';
const CONFIG = 'application/vnd.oci.image.config.v1+json';
const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const CREATED = '2026-01-01T00:00:00Z';

/** A layer as the images' manifests name it. */
export interface Layer {
  mediaType: string;
  digest: string;
  size: number;
  /** sha256 of the uncompressed tar. */
  diffId: string;
  /** The blob on this machine; absent where it is made on the node (the executable's own layer). */
  file?: string;
  /** Where the files' bytes begin in the uncompressed tar. */
  offsets: Record<string, number>;
}

export interface Image {
  record: ImageRecord;
  /** Manifest and configuration, by digest. */
  documents: { digest: string; bytes: Buffer }[];
  layers: Layer[];
}

/**
 * Files in one compressed tar, cached by their content: together they are smaller than one by one, having much in
 * common.
 */
export async function packFiles(
  name: string,
  files: LayerFile[],
): Promise<{ tar: WrittenTar; blob: { path: string; size: number; sha256: string } }> {
  const contents = await contentHashes(files);
  const identity = files.map((f) =>
    'content' in f
      ? { ...f, content: typeof f.content === 'string' ? contents.get(f.content) : f.content.toString('base64') }
      : f,
  );
  const dir = await cachedFolder('layers', name, keyOf('layer-1', identity), async (out) => {
    say(`packing ${name}`);
    writeFileSync(join(out, 'layer.json'), JSON.stringify(await writeTar(files, join(out, 'layer.tar'))));
  });
  const tar = JSON.parse(readFileSync(join(dir, 'layer.json'), 'utf8')) as WrittenTar;
  return { tar, blob: await compressFile(join(dir, 'layer.tar'), tar.sha256) };
}

/** A layer out of these files, compressed. */
export async function buildLayer(name: string, files: LayerFile[]): Promise<Layer> {
  const { tar, blob } = await packFiles(`layer-${name}`, files);
  return {
    mediaType: LAYER_ZSTD,
    digest: `sha256:${blob.sha256}`,
    size: blob.size,
    diffId: `sha256:${tar.sha256}`,
    file: blob.path,
    offsets: tar.offsets,
  };
}

/** The layer whose tar is made on the node out of the running executable. */
export function plainLayer(sha256: string, size: number): Layer {
  return { mediaType: LAYER_PLAIN, digest: `sha256:${sha256}`, size, diffId: `sha256:${sha256}`, offsets: {} };
}

/** An image out of layers. The names are references as Kubernetes' manifests write them. */
export function buildImage(names: string[], layers: Layer[], config: Record<string, unknown>): Image {
  const configuration = Buffer.from(
    JSON.stringify({
      created: CREATED,
      architecture: 'amd64',
      os: 'linux',
      config,
      rootfs: { type: 'layers', diff_ids: layers.map((l) => l.diffId) },
      history: layers.map(() => ({ created: CREATED, created_by: 'terrarium' })),
    }),
  );
  const configDigest = digestOf(configuration);
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MANIFEST,
      config: { mediaType: CONFIG, digest: configDigest, size: configuration.length },
      layers: layers.map(({ mediaType, digest, size }) => ({ mediaType, digest, size })),
    }),
  );
  const manifestDigest = digestOf(manifest);
  return {
    record: {
      names,
      manifest: { mediaType: MANIFEST, digest: manifestDigest, size: manifest.length },
      blobs: [manifestDigest, configDigest, ...layers.map((l) => l.digest)],
    },
    documents: [
      { digest: manifestDigest, bytes: manifest },
      { digest: configDigest, bytes: configuration },
    ],
    layers,
  };
}

function digestOf(bytes: Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

/** sha256 of each file whose content is a path. */
async function contentHashes(files: LayerFile[]): Promise<Map<string, string>> {
  const hashes = new Map<string, string>();
  for (const file of files) {
    if ('content' in file && typeof file.content === 'string') {
      hashes.set(file.content, await hashOwnFile(file.content));
    }
  }
  return hashes;
}
