import { readSync, writeSync } from 'node:fs';
import { setPriority } from 'node:os';
import { z } from 'zod';
import { BATCH, MAX_ROW_BYTES, creditsOf, type Value } from '../../bus/frames.ts';
import { loadTables, sourcesFrom, type LiveTable, type Row, type Table } from '../table.ts';
import { QueryError, Sandbox } from './sandbox.ts';

/**
 * The child's side of queries. Lines of text, both ways on descriptor 3 (0 and 1 may have been made non-blocking by
 * Node):
 * - in: first `WorkerSetup`; then for each statement `WorkerRequest`, both as JSON; while it runs, each line is a
 *   number of credits granted;
 * - out: `R` when it is ready for a statement; `B` and a batch frame as JSON (costs `creditsOf` it); `N` and the name
 *   of a table whose rows the parent is to send, as one line of JSON; at the end `D` with `WorkerEnd` or `E` with
 *   `{code, message}` as JSON, each followed by `R`.
 * All calls block: a process that does nothing but one statement needs no event loop, and the parent kills it when it
 * takes too long.
 */
export const workerSetupSchema = z.object({ history: z.string().optional() });
export type WorkerSetup = z.infer<typeof workerSetupSchema>;

export const workerRequestSchema = z.object({
  q: z.string(),
  sat: z.string(),
  sql: z.string(),
  maxRows: z.int().positive(),
  maxBytes: z.int().positive(),
  credits: z.int().nonnegative(),
  notes: z.record(z.string(), z.object({ state: z.enum(['unavailable', 'stale']), reason: z.string() })),
});
export type WorkerRequest = z.infer<typeof workerRequestSchema>;

export const workerEndSchema = z.object({
  rows: z.int().nonnegative(),
  truncated: z.enum(['rows', 'bytes']).optional(),
});
export type WorkerEnd = z.infer<typeof workerEndSchema>;

const CHANNEL = 3;

/** Whom statements run as where the satellite itself is root: `nobody`, by number since there may be no such name. */
const NOBODY = 65534;

/** Reads lines from the parent, blocking. */
class Lines {
  #chunks: Buffer[] = [];
  #credits = 0;

  /** The next line, or undefined when the parent has gone. */
  next(): string | undefined {
    for (;;) {
      const last = this.#chunks.at(-1);
      const end = last?.indexOf(10) ?? -1;
      if (last !== undefined && end >= 0) {
        const line = Buffer.concat([...this.#chunks.slice(0, -1), last.subarray(0, end)]).toString('utf8');
        this.#chunks = [last.subarray(end + 1)];
        return line;
      }
      const chunk = Buffer.allocUnsafe(64 * 1024);
      const read = readSync(CHANNEL, chunk);
      if (read === 0) {
        return undefined;
      }
      this.#chunks.push(chunk.subarray(0, read));
    }
  }

  /** The next line that is no number of credits; those are kept for `credits`. */
  nextObject(): string | undefined {
    for (;;) {
      const line = this.next();
      if (line === undefined || !/^\d+$/.test(line)) {
        return line;
      }
      this.#credits += Number(line);
    }
  }

  /** Waits for credits. */
  credits(): number {
    const kept = this.#credits;
    this.#credits = 0;
    if (kept > 0) {
      return kept;
    }
    const line = this.next();
    if (line === undefined) {
      process.exit(1);
    }
    return Number(line);
  }

  forgetCredits(): void {
    this.#credits = 0;
  }
}

/**
 * Lines that go out with the next one: a short result is one message from process to process, and wakes each of them
 * once.
 */
let held = '';

function hold(line: string): void {
  held += `${line}\n`;
}

function emit(line: string): void {
  let rest = Buffer.from(`${held}${line}\n`);
  held = '';
  while (rest.length > 0) {
    rest = rest.subarray(writeSync(CHANNEL, rest));
  }
}

function wireValue(value: unknown): Value {
  if (typeof value === 'bigint') {
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : value.toString();
  }
  if (value instanceof Uint8Array) {
    return { blob: Buffer.from(value).toString('base64') };
  }
  // JSON has no infinity.
  if (typeof value === 'number' && !Number.isFinite(value)) {
    return String(value);
  }
  return value as Value;
}

/** What a row has at least as JSON: looked at before it is written, which takes several times as much memory. */
function leastBytes(values: unknown[]): number {
  let bytes = 0;
  for (const value of values) {
    bytes += leastBytesOf(value);
  }
  return bytes;
}

function leastBytesOf(value: unknown): number {
  if (typeof value === 'string') {
    return value.length;
  }
  return value instanceof Uint8Array ? Math.ceil(value.length / 3) * 4 : 1;
}

/** @throws QueryError */
function refuseLarge(bytes: number): void {
  if (bytes <= MAX_ROW_BYTES) {
    return;
  }
  throw new QueryError(
    'query.too-large',
    `A row of the result is ${bytes} bytes long (as JSON), and ${MAX_ROW_BYTES / 1024 / 1024} MiB are the most: ` +
      'select fewer columns, or parts of long values by substr().',
  );
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

  add(values: unknown[]): void {
    refuseLarge(leastBytes(values));
    const row = JSON.stringify(values.map(wireValue));
    const bytes = Buffer.byteLength(row);
    refuseLarge(bytes);
    if (this.#size + bytes > BATCH.bytes && this.#rows.length > 0) {
      this.flush();
    }
    if (this.#rows.length === 0) {
      this.#since = performance.now();
    }
    this.#rows.push(row);
    this.#size += bytes + 1;
    this.sentBytes += bytes + 1;
    if (this.#rows.length >= BATCH.rows || this.#size >= BATCH.bytes || performance.now() - this.#since >= BATCH.ms) {
      this.flush();
    }
  }

  flush(isLast = false): void {
    const { q, sat } = this.#request;
    const head = JSON.stringify({ q, sat, seq: this.#seq, ...(this.#seq === 0 ? { columns: this.#columns } : {}) });
    const frame = `${head.slice(0, -1)},"rows":[${this.#rows.join(',')}]}`;
    (isLast ? hold : emit)(`B${frame}`);
    this.#seq += 1;
    this.#rows = [];
    this.#size = 0;
    this.#credits -= creditsOf(frame);
    if (isLast) {
      return;
    }
    while (this.#credits <= 0) {
      this.#credits += this.#lines.credits();
    }
  }

  /** The columns go out even when there is no row. */
  finish(): void {
    if (this.#rows.length > 0 || this.#seq === 0) {
      this.flush(true);
    }
  }
}

function run(
  request: WorkerRequest,
  lines: Lines,
  sandbox: Sandbox,
  rowsOf: (table: LiveTable) => Iterable<Row>,
): WorkerEnd {
  const statement = sandbox.prepare(request.sql, rowsOf);
  const batches = new Batches(
    request,
    lines,
    statement.columns().map((c) => c.name),
  );
  let rows = 0;
  let truncated: WorkerEnd['truncated'];
  for (const row of statement.iterate() as Iterable<unknown>) {
    if (rows >= request.maxRows || batches.sentBytes >= request.maxBytes) {
      truncated = rows >= request.maxRows ? 'rows' : 'bytes';
      break;
    }
    batches.add(row as unknown[]);
    rows += 1;
  }
  batches.finish();
  return { rows, ...(truncated === undefined ? {} : { truncated }) };
}

/** Gives up root, for good. Returns whether it had it. */
function becomeNobody(): boolean {
  if (process.getuid?.() !== 0) {
    return false;
  }
  process.setgroups?.([]);
  process.setgid?.(NOBODY);
  process.setuid?.(NOBODY);
  return true;
}

function fromParent(lines: Lines, table: Table): Row[] {
  emit(`N${table.name}`);
  const line = lines.nextObject();
  if (line === undefined) {
    process.exit(1);
  }
  return JSON.parse(line) as Row[];
}

/**
 * Statements get what the satellite itself leaves: four that compute for ever must not keep it from saying that it is
 * there.
 */
const PRIORITY = 10;

/** Answers the requests on the channel, one after the other, and returns when the parent has gone. */
export async function work(env: NodeJS.ProcessEnv): Promise<void> {
  setPriority(PRIORITY);
  const lines = new Lines();
  const tables = await loadTables();
  const first = lines.next();
  if (first === undefined) {
    return;
  }
  const sandbox = new Sandbox(tables, workerSetupSchema.parse(JSON.parse(first)).history);
  const fell = becomeNobody();
  for (;;) {
    emit('R');
    const line = lines.nextObject();
    if (line === undefined) {
      return;
    }
    // Granted to the statement before, too late.
    lines.forgetCredits();
    const request = workerRequestSchema.parse(JSON.parse(line));
    const sources = sourcesFrom(env, tables, request.notes);
    try {
      const end = run(request, lines, sandbox, (table) =>
        fell && table.privileged === true ? fromParent(lines, table) : table.rows(sources),
      );
      hold(`D${JSON.stringify(end)}`);
    } catch (error) {
      const { code, message } = sandbox.translate(error);
      hold(`E${JSON.stringify({ code, message })}`);
    }
    sandbox.clear();
  }
}
