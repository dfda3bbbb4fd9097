import type { Readable } from 'node:stream';

/**
 * The only reader of what is shipped beside the code: third-party programs, images, console, manifests, the SQLite addon.
 *
 * Where they come from: the payload appended to the running executable (installer/bundle/format.ts documents its bytes);
 * without one, the folder /usr/share/terrarium (inside our own container images); in development, build/assets.
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
}
