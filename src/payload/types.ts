import type { Readable } from 'node:stream';

/** One thing that is shipped beside the code. */
export interface AssetEntry {
  /** `bin/kube`, `blobs/sha256/<hex>`, `console/index.html`, `manifests/cloud.yaml` … */
  path: string;
  /** Bytes, uncompressed. */
  size: number;
  sha256: string;
  /** Unix mode, 0o755 for programs. */
  mode: number;
}

/** All that is shipped beside the code, wherever it lies. */
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
