import { createHash } from 'node:crypto';
import { closeSync, createReadStream, openSync, readSync } from 'node:fs';
import { Readable, Transform, pipeline } from 'node:stream';
import type { TransformCallback } from 'node:stream';
import { constants, createZstdDecompress, zstdDecompressSync } from 'node:zlib';
import { Failure } from '../errors.ts';
import type { IndexEntry } from './format.ts';
import type { Payload } from './open.ts';

const ZSTD = { params: { [constants.ZSTD_d_windowLogMax]: 27 } };
const READ_SIZE = 1024 * 1024;

function damaged(payload: Payload, path: string): Failure {
  return new Failure('payload-altered', `${path} in ${payload.file} does not have the hash in its signed index.`, { remedy: 'Get the file again from where it came from.' });
}

/** Passes on `size` bytes from `offset` on. */
class Slice extends Transform {
  readonly #end: number;
  #skip: number;
  #seen = 0;

  constructor(offset: number, size: number) {
    super();
    this.#skip = offset;
    this.#end = size;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    const from = Math.min(this.#skip, chunk.length);
    this.#skip -= from;
    const part = chunk.subarray(from, from + Math.min(chunk.length - from, this.#end - this.#seen));
    this.#seen += part.length;
    if (part.length > 0) this.push(part);
    done();
  }
}

/** Fails at the end if what passed has another size or hash. */
class Check extends Transform {
  readonly #hash = createHash('sha256');
  readonly #entry: IndexEntry;
  readonly #payload: Payload;
  #size = 0;

  constructor(payload: Payload, entry: IndexEntry) {
    super({ highWaterMark: READ_SIZE });
    this.#payload = payload;
    this.#entry = entry;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.#size += chunk.length;
    if (this.#size > this.#entry.size) return done(damaged(this.#payload, this.#entry.path));
    this.#hash.update(chunk);
    done(null, chunk);
  }

  override _flush(done: TransformCallback): void {
    const good = this.#size === this.#entry.size && this.#hash.digest('hex') === this.#entry.sha256;
    done(good ? null : damaged(this.#payload, this.#entry.path));
  }
}

/** An entry's content, verified. */
export function streamEntry(payload: Payload, entry: IndexEntry): Readable {
  return chain([...raw(payload, entry), new Check(payload, entry)]);
}

function chain(streams: (Readable | Transform)[]): Readable {
  if (streams.length === 1) return streams[0] as Readable;
  // The error, if any, is the last stream's own: pipeline destroys it with it.
  return pipeline(streams as [Readable, ...Transform[]], () => undefined) as unknown as Readable;
}

function raw(payload: Payload, entry: IndexEntry): (Readable | Transform)[] {
  if ('core' in entry) return [Readable.from(coreParts(payload, entry.core.before, entry.core.after), { objectMode: false, highWaterMark: READ_SIZE })];
  if ('inside' in entry) {
    const outer = payload.index.entries.find((e) => e.path === entry.inside.path);
    if (outer === undefined || !('stored' in outer)) throw damaged(payload, entry.path);
    return [...raw(payload, outer), ...(entry.inside.compression === 'zstd' ? [createZstdDecompress(ZSTD)] : []), new Slice(entry.inside.offset, entry.size)];
  }
  const start = payload.offsets.get(entry.path) ?? 0;
  if (entry.stored.size === 0) return [Readable.from([])];
  const file = createReadStream(payload.file, { start, end: start + entry.stored.size - 1, highWaterMark: READ_SIZE });
  return entry.stored.compression === 'zstd' ? [file, createZstdDecompress(ZSTD)] : [file];
}

async function* coreParts(payload: Payload, before: string, after: number): AsyncGenerator<Buffer> {
  yield Buffer.from(before, 'base64');
  yield* streamCore(payload);
  yield Buffer.alloc(after);
}

/** The executable without payload; the caller checks its hash (`index.core.sha256`). */
export function streamCore(payload: Payload): Readable {
  if (payload.kind === 'executable') return createReadStream(payload.file, { start: 0, end: payload.start - 1, highWaterMark: READ_SIZE });
  return Readable.from(coreFrames(payload), { objectMode: false, highWaterMark: READ_SIZE });
}

/** Node's stream decompresses one frame only. */
async function* coreFrames(payload: Payload): AsyncGenerator<Buffer> {
  let at = 0;
  for (const size of payload.index.core.stored.frames) {
    const file = createReadStream(payload.file, { start: at, end: at + size - 1, highWaterMark: READ_SIZE });
    at += size;
    for await (const chunk of chain([file, createZstdDecompress(ZSTD)])) yield chunk as Buffer;
  }
}

/** A stored entry's whole content, verified; meant for small ones. */
export function readEntry(payload: Payload, entry: IndexEntry): Buffer {
  if (!('stored' in entry)) throw new Failure('payload-read', `${entry.path} can only be read as a stream.`);
  const bytes = Buffer.alloc(entry.stored.size);
  const fd = openSync(payload.file, 'r');
  try {
    readSync(fd, bytes, 0, bytes.length, payload.offsets.get(entry.path) ?? 0);
  } finally {
    closeSync(fd);
  }
  if (createHash('sha256').update(bytes).digest('hex') !== entry.stored.sha256) throw damaged(payload, entry.path);
  const content = entry.stored.compression === 'zstd' ? zstdDecompressSync(bytes, { ...ZSTD, maxOutputLength: entry.size }) : bytes;
  if (content.length !== entry.size || createHash('sha256').update(content).digest('hex') !== entry.sha256) throw damaged(payload, entry.path);
  return content;
}
