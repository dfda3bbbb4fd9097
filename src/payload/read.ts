import { createHash } from 'node:crypto';
import { closeSync, createReadStream, openSync, readSync } from 'node:fs';
import { Readable, Transform, pipeline, type TransformCallback } from 'node:stream';
import { constants, createZstdDecompress, zstdDecompressSync } from 'node:zlib';
import { Failure } from '../errors.ts';
import type { IndexEntry, InsideEntry } from './format.ts';
import type { Payload } from './open.ts';

const ZSTD = { params: { [constants.ZSTD_d_windowLogMax]: 27 } };
const READ_SIZE = 1024 * 1024;
/**
 * Node's streams give 16 KiB at a time if they are not told otherwise, which costs more than the decompression itself.
 */
const zstd = () => createZstdDecompress({ ...ZSTD, chunkSize: READ_SIZE });

function damaged(payload: Payload, path: string): Failure {
  return new Failure('payload-altered', `${path} in ${payload.file} does not have the hash in its signed index.`, {
    remedy: 'Get the file again from where it came from.',
  });
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
    if (part.length > 0) {
      this.push(part);
    }
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
    if (this.#size > this.#entry.size) {
      return done(damaged(this.#payload, this.#entry.path));
    }
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
  if (streams.length === 1) {
    return streams[0] as Readable;
  }
  // The error, if any, is the last stream's own: pipeline destroys it with it.
  return pipeline(streams as [Readable, ...Transform[]], () => undefined) as unknown as Readable;
}

function raw(payload: Payload, entry: IndexEntry): (Readable | Transform)[] {
  if ('core' in entry) {
    return [
      Readable.from(coreParts(payload, entry.core.before, entry.core.after), {
        objectMode: false,
        highWaterMark: READ_SIZE,
      }),
    ];
  }
  if ('inside' in entry) {
    const outer = payload.index.entries.find((e) => e.path === entry.inside.path);
    if (outer === undefined || !('stored' in outer)) {
      throw damaged(payload, entry.path);
    }
    return [
      ...raw(payload, outer),
      ...(entry.inside.compression === 'zstd' ? [zstd()] : []),
      new Slice(entry.inside.offset, entry.size),
    ];
  }
  const start = payload.offsets.get(entry.path) ?? 0;
  if (entry.stored.size === 0) {
    return [Readable.from([])];
  }
  const file = createReadStream(payload.file, { start, end: start + entry.stored.size - 1, highWaterMark: READ_SIZE });
  return entry.stored.compression === 'zstd' ? [file, zstd()] : [file];
}

async function* coreParts(payload: Payload, before: string, after: number): AsyncGenerator<Buffer> {
  yield Buffer.from(before, 'base64');
  yield* streamCore(payload);
  yield Buffer.alloc(after);
}

/** The executable without payload; the caller checks its hash (`index.core.sha256`). */
export function streamCore(payload: Payload): Readable {
  if (payload.kind === 'executable') {
    return createReadStream(payload.file, { start: 0, end: payload.start - 1, highWaterMark: READ_SIZE });
  }
  return Readable.from(coreFrames(payload), { objectMode: false, highWaterMark: READ_SIZE });
}

/** Entries, index and footer: what follows the head, in both forms the same. */
export function streamPayload(payload: Payload): Readable {
  return createReadStream(payload.file, { start: payload.start, highWaterMark: READ_SIZE });
}

/** Node's stream decompresses one frame only. */
async function* coreFrames(payload: Payload): AsyncGenerator<Buffer> {
  let at = 0;
  for (const size of payload.index.core.stored.frames) {
    const file = createReadStream(payload.file, { start: at, end: at + size - 1, highWaterMark: READ_SIZE });
    at += size;
    for await (const chunk of chain([file, zstd()])) {
      yield chunk as Buffer;
    }
  }
}

/** Contents of several entries, one after the other; those inside the same entry out of one pass over it. */
export async function streamEntries(
  payload: Payload,
  entries: IndexEntry[],
  sink: (entry: IndexEntry, content: Readable) => Promise<void>,
): Promise<void> {
  const inside = new Map<string, InsideEntry[]>();
  for (const entry of entries) {
    if ('inside' in entry) {
      inside.set(entry.inside.path, [...(inside.get(entry.inside.path) ?? []), entry]);
    } else {
      await sink(entry, streamEntry(payload, entry));
    }
  }
  for (const [path, group] of inside) {
    const outer = payload.index.entries.find((e) => e.path === path);
    if (outer === undefined || !('stored' in outer)) {
      throw damaged(payload, path);
    }
    const source = new Cursor(
      chain([...raw(payload, outer), ...(group[0]?.inside.compression === 'zstd' ? [zstd()] : [])]),
    );
    try {
      for (const entry of group.toSorted((a, b) => a.inside.offset - b.inside.offset)) {
        await source.skipTo(entry.inside.offset);
        await sink(
          entry,
          chain([
            Readable.from(source.take(entry.size), { objectMode: false, highWaterMark: READ_SIZE }),
            new Check(payload, entry),
          ]),
        );
      }
    } finally {
      source.close();
    }
  }
}

/** A stream that is read piece by piece. */
class Cursor {
  readonly #stream: Readable;
  readonly #chunks: AsyncIterator<Buffer>;
  #rest: Buffer = Buffer.alloc(0);
  #position = 0;

  constructor(stream: Readable) {
    this.#stream = stream;
    this.#chunks = stream[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  }

  /** Up to `size` bytes; none at the stream's end. */
  async #next(size: number): Promise<Buffer> {
    if (this.#rest.length === 0) {
      const { value, done } = await this.#chunks.next();
      if (done === true) {
        return Buffer.alloc(0);
      }
      this.#rest = value as Buffer;
    }
    const part = this.#rest.subarray(0, size);
    this.#rest = this.#rest.subarray(part.length);
    this.#position += part.length;
    return part;
  }

  async skipTo(offset: number): Promise<void> {
    while (this.#position < offset) {
      if ((await this.#next(offset - this.#position)).length === 0) {
        return;
      }
    }
  }

  async *take(size: number): AsyncGenerator<Buffer> {
    const end = this.#position + size;
    while (this.#position < end) {
      const part = await this.#next(end - this.#position);
      if (part.length === 0) {
        return;
      }
      yield part;
    }
  }

  close(): void {
    this.#stream.destroy();
  }
}

/** A stored entry's whole content, verified; meant for small ones. */
export function readEntry(payload: Payload, entry: IndexEntry): Buffer {
  if (!('stored' in entry)) {
    throw new Failure('payload-read', `${entry.path} can only be read as a stream.`);
  }
  const bytes = Buffer.alloc(entry.stored.size);
  const fd = openSync(payload.file, 'r');
  try {
    readSync(fd, bytes, 0, bytes.length, payload.offsets.get(entry.path) ?? 0);
  } finally {
    closeSync(fd);
  }
  if (createHash('sha256').update(bytes).digest('hex') !== entry.stored.sha256) {
    throw damaged(payload, entry.path);
  }
  const content =
    entry.stored.compression === 'zstd' ? zstdDecompressSync(bytes, { ...ZSTD, maxOutputLength: entry.size }) : bytes;
  if (content.length !== entry.size || createHash('sha256').update(content).digest('hex') !== entry.sha256) {
    throw damaged(payload, entry.path);
  }
  return content;
}
