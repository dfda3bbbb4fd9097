import { createHash } from 'node:crypto';
import {
  closeSync,
  createReadStream,
  createWriteStream,
  existsSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { basename, dirname, join, posix } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { extract } from 'tar-stream';
import { z } from 'zod';
import { EXIT, Failure } from '../../../src/errors.ts';
import { hashFile } from '../cache.ts';
import type { ImageRecord } from '../image-archive.ts';
import { normalize, vagueness } from './references.ts';

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const CONFIG = 'application/vnd.oci.image.config.v1+json';

/** An image out of an archive: what is recorded, and where each blob is: in memory or in a file. */
export interface ArchivedImage {
  record: ImageRecord;
  blobs: Map<string, Buffer | string>;
}

const descriptor = z.looseObject({
  mediaType: z.string().optional(),
  digest: z.string().regex(/^sha256:[0-9a-f]{64}$/),
  size: z.number(),
  annotations: z.record(z.string(), z.string()).optional(),
  platform: z.looseObject({ os: z.string(), architecture: z.string() }).optional(),
});
type Descriptor = z.infer<typeof descriptor>;
const indexSchema = z.looseObject({ manifests: z.array(descriptor) });
const manifestSchema = z.looseObject({ config: descriptor, layers: z.array(descriptor) });
const dockerSchema = z.array(
  z.looseObject({ Config: z.string(), RepoTags: z.array(z.string()).nullable(), Layers: z.array(z.string()) }),
);
const configSchema = z.looseObject({
  os: z.string(),
  architecture: z.string(),
  rootfs: z.looseObject({ diff_ids: z.array(z.string()) }),
});

function bad(archive: string, why: string): Failure {
  return new Failure('archive-invalid', `The image archive ${archive} ${why}.`, {
    remedy: 'Make it by `docker save`, `podman save` or `skopeo copy … oci-archive:`.',
    exitCode: EXIT.usage,
  });
}

/**
 * Reads a docker-archive or an OCI layout in a tar.
 * @param dir an empty folder that the result's files are in.
 * @throws Failure `archive-invalid`, `image-vague`.
 */
export async function readArchive(archive: string, dir: string): Promise<ArchivedImage[]> {
  await unpack(archive, dir);
  const images = existsSync(join(dir, 'manifest.json'))
    ? await dockerImages(archive, dir)
    : await layoutImages(archive, dir);
  for (const image of images) {
    check(archive, image);
  }
  return images;
}

async function unpack(archive: string, dir: string): Promise<void> {
  const tar = extract();
  tar.on('entry', (header, stream, next) => {
    const name = posix.normalize(header.name);
    if (name.startsWith('..') || posix.isAbsolute(name)) {
      return next(bad(archive, `holds the path ${header.name}`));
    }
    const to = join(dir, name);
    if (header.type === 'directory') {
      mkdirSync(to, { recursive: true });
    } else if (header.type === 'symlink' || header.type === 'link') {
      // Old `docker save` links layers that are the same; within the archive only.
      const target =
        header.type === 'link'
          ? posix.normalize(header.linkname ?? '')
          : posix.normalize(posix.join(posix.dirname(name), header.linkname ?? ''));
      if (target.startsWith('..') || posix.isAbsolute(target)) {
        return next(bad(archive, `holds a link to ${header.linkname}`));
      }
      mkdirSync(dirname(to), { recursive: true });
      symlinkSync(join(dir, target), to);
    } else if (header.type === 'file') {
      mkdirSync(dirname(to), { recursive: true });
      pipeline(stream, createWriteStream(to)).then(() => next(), next);
      return;
    }
    stream.on('end', () => next());
    stream.resume();
  });
  try {
    await pipeline(createReadStream(archive, { highWaterMark: 1 << 20 }), tar);
  } catch (error) {
    if (error instanceof Failure) {
      throw error;
    }
    throw bad(archive, `cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function json<T>(archive: string, bytes: Buffer, schema: z.ZodType<T>, what: string): T {
  try {
    return schema.parse(JSON.parse(bytes.toString('utf8')));
  } catch (error) {
    throw new Failure('archive-invalid', `The image archive ${archive} has a ${what} that cannot be understood.`, {
      exitCode: EXIT.usage,
      cause: error,
    });
  }
}

async function dockerImages(archive: string, dir: string): Promise<ArchivedImage[]> {
  const images: ArchivedImage[] = [];
  for (const { Config, RepoTags, Layers } of json(
    archive,
    readFileSync(join(dir, 'manifest.json')),
    dockerSchema,
    'manifest.json',
  )) {
    const blobs = new Map<string, Buffer | string>();
    const config = readFileSync(inside(archive, dir, Config));
    const layers: Descriptor[] = [];
    for (const layer of Layers) {
      const file = inside(archive, dir, layer);
      const digest = `sha256:${await hashFile(file)}`;
      blobs.set(digest, file);
      layers.push({
        mediaType: `application/vnd.oci.image.layer.v1.tar${compression(file)}`,
        digest,
        size: statSync(file).size,
      });
    }
    const configDigest = digestOf(config);
    blobs.set(configDigest, config);
    const manifest = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: MANIFEST,
        config: { mediaType: CONFIG, digest: configDigest, size: config.length },
        layers,
      }),
    );
    const digest = digestOf(manifest);
    blobs.set(digest, manifest);
    images.push({
      record: {
        names: (RepoTags ?? []).map(normalize),
        manifest: { mediaType: MANIFEST, digest, size: manifest.length },
        blobs: [...blobs.keys()],
      },
      blobs,
    });
  }
  return images;
}

async function layoutImages(archive: string, dir: string): Promise<ArchivedImage[]> {
  if (!existsSync(join(dir, 'index.json'))) {
    throw bad(archive, 'is neither a docker-archive nor an OCI layout');
  }
  const images: ArchivedImage[] = [];
  for (const entry of json(archive, readFileSync(join(dir, 'index.json')), indexSchema, 'index.json').manifests) {
    const name =
      entry.annotations?.['io.containerd.image.name'] ?? entry.annotations?.['org.opencontainers.image.ref.name'];
    const chosen = await platformManifest(archive, dir, entry);
    const bytes = await blob(archive, dir, chosen);
    const manifest = json(archive, bytes, manifestSchema, 'manifest');
    const blobs = new Map<string, Buffer | string>([
      [chosen.digest, bytes],
      [manifest.config.digest, await blob(archive, dir, manifest.config)],
    ]);
    for (const layer of manifest.layers) {
      const file = inside(archive, dir, `blobs/${layer.digest.replace(':', '/')}`);
      if (`sha256:${await hashFile(file)}` !== layer.digest) {
        throw bad(archive, `has a layer that is not what its name says (${layer.digest})`);
      }
      blobs.set(layer.digest, file);
    }
    const mediaType = chosen.mediaType ?? MANIFEST;
    images.push({
      record: {
        names: name === undefined ? [] : [normalize(name)],
        manifest: { mediaType, digest: chosen.digest, size: bytes.length },
        blobs: [...blobs.keys()],
      },
      blobs,
    });
  }
  return images;
}

/** Where an entry is an index of several platforms: the one for Linux on x86-64. */
async function platformManifest(archive: string, dir: string, entry: Descriptor): Promise<Descriptor> {
  if (!/index|manifest\.list/.test(entry.mediaType ?? '')) {
    return entry;
  }
  const nested = json(archive, await blob(archive, dir, entry), indexSchema, 'nested index');
  const found = nested.manifests.find((m) => m.platform?.os === 'linux' && m.platform.architecture === 'amd64');
  if (found === undefined) {
    throw bad(archive, 'has no image for linux/amd64');
  }
  return found;
}

async function blob(archive: string, dir: string, { digest }: Descriptor): Promise<Buffer> {
  const bytes = readFileSync(inside(archive, dir, `blobs/${digest.replace(':', '/')}`));
  if (digestOf(bytes) !== digest) {
    throw bad(archive, `has a blob that is not what its name says (${digest})`);
  }
  return Promise.resolve(bytes);
}

function inside(archive: string, dir: string, path: string): string {
  const file = join(dir, posix.normalize(`/${path}`));
  if (!existsSync(file) || (!lstatSync(file).isFile() && !statSync(file).isFile())) {
    throw bad(archive, `lacks ${path}`);
  }
  return file;
}

/** By the first bytes, since docker's archives do not say it. */
function compression(file: string): '' | '+gzip' | '+zstd' {
  const start = Buffer.alloc(4);
  const fd = openSync(file, 'r');
  try {
    readSync(fd, start, 0, 4, 0);
  } finally {
    closeSync(fd);
  }
  if (start.readUInt16BE(0) === 0x1f8b) {
    return '+gzip';
  }
  return start.readUInt32LE(0) === 0xfd2fb528 ? '+zstd' : '';
}

function check(archive: string, { record, blobs }: ArchivedImage): void {
  const name = basename(archive);
  if (record.names.length === 0) {
    throw bad(name, 'has an image without a name');
  }
  for (const reference of record.names) {
    const vague = vagueness(reference);
    if (vague !== undefined) {
      throw new Failure('image-vague', `The image ${reference} in ${name} ${vague}.`, {
        remedy: 'Tag it with a fixed version before saving it.',
        exitCode: EXIT.usage,
      });
    }
  }
  const manifest = json(name, blobs.get(record.manifest.digest) as Buffer, manifestSchema, 'manifest');
  const config = json(name, blobs.get(manifest.config.digest) as Buffer, configSchema, 'configuration');
  if (config.os !== 'linux' || config.architecture !== 'amd64') {
    throw bad(name, `is for ${config.os}/${config.architecture}; the nodes are linux/amd64`);
  }
  if (config.rootfs.diff_ids.length !== manifest.layers.length) {
    throw bad(name, 'has another number of layers than its configuration says');
  }
}

function digestOf(bytes: Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}
