import { Readable } from 'node:stream';
import { pack, type Pack } from 'tar-stream';
import { Failure } from '../../src/errors.ts';
import type { Assets } from '../../src/payload/types.ts';

/**
 * `images.json` of a payload, and `app/NAME/images.json` of an application's: the images whose blobs are among the
 * entries.
 */
export interface ImageRecord {
  names: string[];
  manifest: { mediaType: string; digest: string; size: number };
  /** Digests of everything that the image needs: the manifest itself, its configuration and its layers. */
  blobs: string[];
}

/** Where the assets have a blob. */
export function blobPath(digest: string): string {
  return `blobs/${digest.replace(':', '/')}`;
}

/** All images of a payload. @param wanted which lists of images (`images.json`, `app/NAME/images.json`) to read. */
export function readImages(assets: Assets, wanted: (path: string) => boolean = () => true): ImageRecord[] {
  return assets
    .entries()
    .filter((e) => (e.path === 'images.json' || /^app\/[^/]+\/images\.json$/.test(e.path)) && wanted(e.path))
    .flatMap((e) => JSON.parse(assets.read(e.path).toString('utf8')) as ImageRecord[]);
}

/** The names under which a payload's images are imported. */
export function imageNames(assets: Assets): string[] {
  return readImages(assets).flatMap((image) => image.names);
}

/**
 * A tar in OCI layout with the images of these names (default: all), as `ctr images import -` takes it. Blobs are
 * verified as they are read: the stream fails before it ends if one does not have its hash, and the import with it.
 * @throws Failure `image-missing`
 */
export function imageArchive(assets: Assets, names?: string[]): Readable {
  const images = readImages(assets);
  const wanted = names ?? images.flatMap((i) => i.names);
  const manifests = wanted.map((name) => {
    const image = images.find((i) => i.names.includes(name));
    if (image === undefined) {
      throw new Failure('image-missing', `The bundle carries no image ${name}.`);
    }
    return {
      ...image.manifest,
      annotations: { 'io.containerd.image.name': name, 'org.opencontainers.image.ref.name': name },
    };
  });
  const digests = new Set(images.filter((i) => i.names.some((n) => wanted.includes(n))).flatMap((i) => i.blobs));
  const tar = pack();
  void fill(tar, assets, manifests, [...digests].sort()).catch((error: unknown) => tar.destroy(error as Error));
  // tar-stream's own stream class is not quite Node's.
  return Readable.from(tar, { objectMode: false });
}

async function fill(tar: Pack, assets: Assets, manifests: object[], digests: string[]): Promise<void> {
  tar.entry({ name: 'oci-layout' }, JSON.stringify({ imageLayoutVersion: '1.0.0' }));
  tar.entry(
    { name: 'index.json' },
    JSON.stringify({ schemaVersion: 2, mediaType: 'application/vnd.oci.image.index.v1+json', manifests }),
  );
  const sizes = new Map(assets.entries().map((e) => [e.path, e.size]));
  for (const digest of digests) {
    const path = blobPath(digest);
    const entry = tar.entry({ name: path, size: sizes.get(path) ?? 0 });
    for await (const chunk of assets.stream(path)) {
      if (!entry.write(chunk)) {
        await new Promise<void>((resolve) => entry.once('drain', () => resolve()));
      }
    }
    await new Promise<void>((resolve) => {
      entry.once('finish', () => resolve());
      entry.end(Buffer.alloc(0));
    });
  }
  tar.finalize();
}
