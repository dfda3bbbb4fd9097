/**
 * The bytes of a payload. It is what `dist/terrarium` carries behind its ELF and what a `.bundle` file consists of.
 *
 *     head      the executable's ELF core as it is (dist/terrarium), or the same compressed with zstd (.bundle)
 *     entries   the stored bytes of each stored entry, in the order of the index, without gap or padding
 *     index     JSON, UTF-8: type Index below
 *     footer    160 bytes:
 *                 0  16  magic
 *                16   8  length of all entries together, unsigned, little endian
 *                24   8  length of the index, the same
 *                32  32  sha256 of the index
 *                64  32  Ed25519 public key, raw
 *                96  64  Ed25519 signature over the first 96 bytes of the footer and the index
 *
 * Everything behind the head is the same bytes in both files: one signature covers both, and the executable is made out
 * of the bundle by decompressing its head. No byte is outside of what is checked: the index holds the hashes of both
 * forms of the head and of each entry's stored bytes, the signature covers index and footer, and the magic is compared.
 *
 * An entry is stored (its own bytes, maybe compressed), or *inside* another entry (a program that is part of an image's
 * layer is not carried twice), or made of the *core* (the layer that holds the executable itself, whose bytes the
 * executable has).
 */
export const MAGIC = Buffer.from('TERRARIUM-BNDL/1', 'latin1');
export const FOOTER_SIZE = 160;
const SIGNED_FOOTER = 96;
/** An index is some tens of kilobytes; what claims to be larger is not read. */
const MAX_INDEX = 16 * 1024 * 1024;

export interface EntryBase {
  /** Relative, `/` between parts, no `.` or `..`. */
  path: string;
  /** Bytes of the content, uncompressed. */
  size: number;
  sha256: string;
  /** Unix mode bits. */
  mode: number;
}

export type StoredEntry = EntryBase & { stored: { size: number; sha256: string; compression: 'none' | 'zstd' } };
/**
 * Content is bytes offset..offset+size of another stored entry, after that entry's own zstd is undone where
 * `compression` says so.
 */
export type InsideEntry = EntryBase & { inside: { path: string; offset: number; compression: 'none' | 'zstd' } };
/** Content is `before` (base64), the core, and `after` zero bytes. */
export type CoreEntry = EntryBase & { core: { before: string; after: number } };
export type IndexEntry = StoredEntry | InsideEntry | CoreEntry;

export interface Index {
  format: 1;
  name: string;
  version: string;
  /** Version of Kubernetes, without `v`. */
  kubernetes: string;
  /** Whether it is signed by a key made for development; such a bundle is not meant for a customer. */
  developmentKey: boolean;
  /**
   * `frames`: lengths of the zstd frames that the compressed core consists of, each of which is decompressed by itself.
   */
  core: { size: number; sha256: string; stored: { size: number; sha256: string; frames: number[] } };
  entries: IndexEntry[];
  /** Where an application was added: its name and version; its files are below `app/`. */
  application?: { name: string; version: string };
}

export interface Footer {
  entriesSize: number;
  indexSize: number;
  indexSha256: Buffer;
  publicKey: Buffer;
  signature: Buffer;
  /** What the signature covers of the footer. */
  signed: Buffer;
}

/** The footer without its signature, to be signed together with the index. */
export function encodeSignedFooter(
  entriesSize: number,
  indexSize: number,
  indexSha256: Buffer,
  publicKey: Buffer,
): Buffer {
  const footer = Buffer.alloc(SIGNED_FOOTER);
  MAGIC.copy(footer, 0);
  footer.writeBigUInt64LE(BigInt(entriesSize), 16);
  footer.writeBigUInt64LE(BigInt(indexSize), 24);
  indexSha256.copy(footer, 32);
  publicKey.copy(footer, 64);
  return footer;
}

/** undefined: these 160 bytes are no footer. */
export function decodeFooter(bytes: Buffer): Footer | undefined {
  if (bytes.length !== FOOTER_SIZE || !bytes.subarray(0, MAGIC.length).equals(MAGIC)) {
    return undefined;
  }
  const entriesSize = Number(bytes.readBigUInt64LE(16));
  const indexSize = Number(bytes.readBigUInt64LE(24));
  if (!Number.isSafeInteger(entriesSize) || indexSize > MAX_INDEX) {
    return undefined;
  }
  return {
    entriesSize,
    indexSize,
    indexSha256: bytes.subarray(32, 64),
    publicKey: bytes.subarray(64, 96),
    signature: bytes.subarray(96, 160),
    signed: bytes.subarray(0, SIGNED_FOOTER),
  };
}

/** Whether a path may name an entry: it cannot lead out of the folder it is unpacked into. */
export function isEntryPath(path: string): boolean {
  return (
    /^[A-Za-z0-9_@+:.-]+(\/[A-Za-z0-9_@+:.-]+)*$/.test(path) &&
    !path.split('/').some((part) => part === '.' || part === '..')
  );
}
