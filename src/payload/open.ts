import { createHash } from 'node:crypto';
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { EXIT, Failure } from '../errors.ts';
import { elfSize } from './elf.ts';
import { FOOTER_SIZE, decodeFooter, isEntryPath, type Index } from './format.ts';
import { verifySignature } from './keys.ts';

/** A payload whose index is genuine; of its entries nothing has been checked yet. */
export interface Payload {
  file: string;
  /** `executable`: the head is the core itself; `bundle`: the head is the core compressed. */
  kind: 'executable' | 'bundle';
  /** Where the head ends and the entries begin. */
  start: number;
  index: Index;
  /** Raw, hex. */
  publicKey: string;
  /** Absolute offset of each stored entry's bytes, by path. */
  offsets: Map<string, number>;
}

function altered(file: string, what: string): Failure {
  return new Failure('payload-altered', `${file} was altered or damaged: ${what}.`, {
    remedy: 'Get it again from where it came from and compare its SHA256SUMS.',
    exitCode: EXIT.usage,
  });
}

/**
 * Reads footer and index and checks the signature; cheap (a few milliseconds), reads no entry.
 * @param trusted hexadecimal public keys; `any` accepts every key (development, `bundle inspect`).
 * @returns undefined for an ELF file with nothing behind it.
 * @throws Failure `payload-altered`, `payload-untrusted`, `payload-unreadable`.
 */
export function openPayload(file: string, trusted: string[] | 'any'): Payload | undefined {
  let fd: number;
  try {
    fd = openSync(file, 'r');
  } catch (error) {
    throw new Failure(
      'payload-unreadable',
      `${file} cannot be read: ${error instanceof Error ? error.message : String(error)}.`,
      { exitCode: EXIT.usage, cause: error },
    );
  }
  try {
    return readPayload(fd, file, trusted);
  } finally {
    closeSync(fd);
  }
}

function readPayload(fd: number, file: string, trusted: string[] | 'any'): Payload | undefined {
  const { size } = fstatSync(fd);
  const tail = Buffer.alloc(FOOTER_SIZE);
  const footer =
    size >= FOOTER_SIZE && readSync(fd, tail, 0, FOOTER_SIZE, size - FOOTER_SIZE) === FOOTER_SIZE
      ? decodeFooter(tail)
      : undefined;
  const elf = elfSize(fd);
  if (footer === undefined) {
    if (elf === size) {
      return undefined;
    }
    throw altered(
      file,
      elf === undefined ? 'it is no Terrarium bundle, or its end is missing' : 'its end is missing or changed',
    );
  }
  const start = size - FOOTER_SIZE - footer.indexSize - footer.entriesSize;
  if (start < 0) {
    throw altered(file, 'its lengths do not fit its size');
  }
  const json = Buffer.alloc(footer.indexSize);
  readSync(fd, json, 0, json.length, size - FOOTER_SIZE - footer.indexSize);
  if (!createHash('sha256').update(json).digest().equals(footer.indexSha256)) {
    throw altered(file, 'its index does not have the hash in its footer');
  }
  if (!verifySignature(footer.publicKey, footer.signature, footer.signed, json)) {
    throw altered(file, 'its signature is not valid');
  }
  const publicKey = footer.publicKey.toString('hex');
  if (trusted !== 'any' && !trusted.includes(publicKey)) {
    throw new Failure('payload-untrusted', `${file} is signed by the key ${publicKey}, which is not trusted here.`, {
      remedy:
        "If you know that this key is your vendor's, give it to `terrarium bundle verify --trust-key`, or write it " +
        'into a file `trusted-keys` beside the executable.',
      exitCode: EXIT.usage,
    });
  }
  const index = JSON.parse(json.toString('utf8')) as Index;
  if (index.format !== 1) {
    throw new Failure(
      'payload-version',
      `${file} has a format that terrarium ${index.version} writes and this one cannot read.`,
      { remedy: 'Use the terrarium that came with it.', exitCode: EXIT.usage },
    );
  }
  const kind = start === index.core.size && elf !== undefined ? 'executable' : 'bundle';
  if (kind === 'bundle' && start !== index.core.stored.size) {
    throw altered(file, 'its first part does not have the size in its index');
  }
  return { file, kind, start, index, publicKey, offsets: layOut(index, start, footer.entriesSize, file) };
}

/** A valid signature does not excuse nonsense: the sizes must fill the space exactly and no path may lead elsewhere. */
function layOut(index: Index, start: number, entriesSize: number, file: string): Map<string, number> {
  const offsets = new Map<string, number>();
  const seen = new Set<string>();
  let at = start;
  for (const entry of index.entries) {
    if (!isEntryPath(entry.path) || seen.has(entry.path)) {
      throw altered(file, `its index has the path ${JSON.stringify(entry.path)} wrongly`);
    }
    seen.add(entry.path);
    if (!('stored' in entry)) {
      continue;
    }
    offsets.set(entry.path, at);
    at += entry.stored.size;
  }
  if (at !== start + entriesSize) {
    throw altered(file, 'its entries do not fill it exactly');
  }
  return offsets;
}

/** The size of the executable without its payload; for an executable without one, its whole size. */
export function coreSize(file: string): number {
  const payload = openPayload(file, 'any');
  if (payload !== undefined) {
    return payload.start;
  }
  const fd = openSync(file, 'r');
  try {
    return fstatSync(fd).size;
  } finally {
    closeSync(fd);
  }
}
