import { readSync, writeSync } from 'node:fs';
import { z } from 'zod';
import { BATCH, type Value } from '../../bus/frames.ts';
import { loadTables, sourcesFrom } from '../table.ts';
import { QueryError, Sandbox } from './sandbox.ts';

/**
 * The child's side of a query. Lines of text, both ways on descriptor 3 (0 and 1 may have been made non-blocking by Node):
 * - in: the first line is `WorkerRequest` as JSON; each further line is a number of credits granted;
 * - out: `B` and a batch frame as JSON (costs one credit), at the end `D` with `WorkerEnd` or `E` with `{code, message}` as JSON.
 * All calls block: a process that does nothing but one statement needs no event loop, and the parent kills it when it takes too long.
 */
export const workerRequestSchema = z.object({
  q: z.string(),
  sat: z.string(),
  sql: z.string(),
  maxRows: z.int().positive(),
  maxBytes: z.int().positive(),
  credits: z.int().nonnegative(),
});
export type WorkerRequest = z.infer<typeof workerRequestSchema>;

export const workerEndSchema = z.object({ rows: z.int().nonnegative(), truncated: z.enum(['rows', 'bytes']).optional() });
export type WorkerEnd = z.infer<typeof workerEndSchema>;

const CHANNEL = 3;

/** The bus takes messages of 1 MB; a batch holds at least one row whole. */
const MAX_FRAME_BYTES = 1_000_000;

/** Reads lines from the parent, blocking. */
class Lines {
  #rest = Buffer.alloc(0);

  /** The next line, or undefined when the parent has gone. */
  next(): string | undefined {
    const chunk = Buffer.alloc(64 * 1024);
    for (;;) {
      const end = this.#rest.indexOf(10);
      if (end >= 0) {
        const line = this.#rest.toString('utf8', 0, end);
        this.#rest = this.#rest.subarray(end + 1);
        return line;
      }
      const read = readSync(CHANNEL, chunk);
      if (read === 0) return undefined;
      this.#rest = Buffer.concat([this.#rest, chunk.subarray(0, read)]);
    }
  }
}

function emit(line: string): void {
  let rest = Buffer.from(`${line}\n`);
  while (rest.length > 0) rest = rest.subarray(writeSync(CHANNEL, rest));
}

function wireValue(value: unknown): Value {
  if (typeof value === 'bigint') {
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : value.toString();
  }
  if (value instanceof Uint8Array) return { blob: Buffer.from(value).toString('base64') };
  // JSON has no infinity.
  if (typeof value === 'number' && !Number.isFinite(value)) return String(value);
  return value as Value;
}

/** Collects rows and sends them as batches, each against one credit. */
class Batches {
  readonly #request: WorkerRequest;
  readonly #lines: Lines;
  readonly #columns: string[];
  #credits: number;
  #seq = 0;
  #rows: string[] = [];
  #size = 0;
  #since = 0;
  sentBytes = 0;

  constructor(request: WorkerRequest, lines: Lines, columns: string[]) {
    this.#request = request;
    this.#lines = lines;
    this.#columns = columns;
    this.#credits = request.credits;
  }

  add(row: string): void {
    const bytes = Buffer.byteLength(row);
    if (bytes > MAX_FRAME_BYTES - 64 * 1024) throw new QueryError('query.too-large', `One row is larger than a message of the bus may be (${bytes} bytes).`);
    if (this.#size + bytes > BATCH.bytes && this.#rows.length > 0) this.flush();
    if (this.#rows.length === 0) this.#since = performance.now();
    this.#rows.push(row);
    this.#size += bytes + 1;
    this.sentBytes += bytes + 1;
    if (this.#rows.length >= BATCH.rows || this.#size >= BATCH.bytes || performance.now() - this.#since >= BATCH.ms) this.flush();
  }

  flush(): void {
    const { q, sat } = this.#request;
    const head = JSON.stringify({ q, sat, seq: this.#seq, ...(this.#seq === 0 ? { columns: this.#columns } : {}) });
    emit(`B${head.slice(0, -1)},"rows":[${this.#rows.join(',')}]}`);
    this.#seq += 1;
    this.#rows = [];
    this.#size = 0;
    this.#credits -= 1;
    this.#await();
  }

  /** The columns go out even when there is no row. */
  finish(): void {
    if (this.#rows.length > 0 || this.#seq === 0) this.flush();
  }

  #await(): void {
    while (this.#credits <= 0) {
      const line = this.#lines.next();
      if (line === undefined) process.exit(1);
      this.#credits += Number(line);
    }
  }
}

function run(request: WorkerRequest, lines: Lines, sandbox: Sandbox): WorkerEnd {
  const statement = sandbox.prepare(request.sql);
  const batches = new Batches(request, lines, statement.columns().map((c) => c.name));
  let rows = 0;
  let truncated: WorkerEnd['truncated'];
  for (const row of statement.iterate() as Iterable<unknown>) {
    if (rows >= request.maxRows || batches.sentBytes >= request.maxBytes) {
      truncated = rows >= request.maxRows ? 'rows' : 'bytes';
      break;
    }
    batches.add(JSON.stringify((row as unknown[]).map(wireValue)));
    rows += 1;
  }
  batches.finish();
  return { rows, ...(truncated === undefined ? {} : { truncated }) };
}

/** Answers the one request on the channel and returns. */
export async function work(env: NodeJS.ProcessEnv): Promise<void> {
  const lines = new Lines();
  const sandbox = new Sandbox(await loadTables(), sourcesFrom(env));
  const first = lines.next();
  if (first === undefined) return;
  try {
    emit(`D${JSON.stringify(run(workerRequestSchema.parse(JSON.parse(first)), lines, sandbox))}`);
  } catch (error) {
    const { code, message } = sandbox.translate(error);
    emit(`E${JSON.stringify({ code, message })}`);
  }
}
