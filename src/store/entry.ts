import { z } from 'zod';
import { Failure } from '../errors.ts';
import { ULID } from './ulid.ts';

/**
 * An entry of the log is a line of UTF-8 JSON. A message of the stream has one or more of them, with a line feed
 * between each two (JSON has none within); a row of `_log` has one:
 *
 * ```
 * {"v":1,"kind":"user.create","id":"01K…","at":1763740800000,"actor":"admin",
 *  "expect":{"resource":"user/eva","version":17},"args":{…}}
 * ```
 *
 * | field | meaning |
 * | --- | --- |
 * | `v` | 1; another one is of a newer release |
 * | `kind` | the file of `src/store/commands` that applies it |
 * | `id` | ULID; the same id is applied once, however often it is in the log |
 * | `at` | milliseconds since 1970 by the proposer's clock; the only time that apply knows |
 * | `actor` | who did it, for the audit log: a user's name, `token/ID`, `cloud/NODE` |
 * | `expect` | only if `resource` (`<type>/<key>`) still has this version when applied; 0: does not exist |
 * | `args` | checked by the proposer against the kind's schema; all random values are in here |
 */
export interface Command<Args = unknown> {
  v: 1;
  kind: string;
  id: string;
  at: number;
  actor: string;
  expect?: { resource: string; version: number } | undefined;
  args: Args;
}

/** Bytes of an entry, at most. */
export const MAX_ENTRY_BYTES = 256 * 1024;
/**
 * Levels of objects and lists in args: JSON that is nested deeper is more than SQLite takes (1000), and than a stack
 * does.
 */
export const MAX_DEPTH = 32;
/** Bytes of a message, at most, if it has more than one entry: far below the bus's 1 MB. */
export const MAX_MESSAGE_BYTES = 256 * 1024;
/** Entries of a message, at most. */
export const MAX_MESSAGE_ENTRIES = 128;

const LINE_FEED = Buffer.from('\n');

const envelope = z.strictObject({
  v: z.literal(1),
  kind: z.string().regex(/^[a-z]+(\.[a-z]+)+$/),
  id: z.string().regex(ULID),
  at: z.int().nonnegative(),
  actor: z.string().min(1).max(256),
  expect: z.strictObject({ resource: z.string().min(1).max(512), version: z.int().nonnegative() }).optional(),
  args: z.unknown(),
});

/** Whether a value has no more than so many levels of objects and lists. */
export function isShallow(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) {
    return true;
  }
  return levels > 0 && Object.values(value).every((v) => isShallow(v, levels - 1));
}

/** @throws Failure `store-invalid`, `store-too-large`. */
export function encodeEntry(command: Command): Buffer {
  const parsed = envelope.safeParse(command);
  if (!parsed.success) {
    throw new Failure('store-invalid', `The command is not valid: ${z.prettifyError(parsed.error)}.`);
  }
  const { v, kind, id, at, actor, expect, args } = command;
  const bytes = Buffer.from(
    JSON.stringify({ v, kind, id, at, actor, ...(expect === undefined ? {} : { expect }), args }),
  );
  if (bytes.length > MAX_ENTRY_BYTES) {
    throw new Failure('store-too-large', `The change is ${bytes.length} bytes long; ${MAX_ENTRY_BYTES} are the most.`);
  }
  return bytes;
}

/** @param entries one or more, within the limits of a message */
export function encodeMessage(entries: Uint8Array[]): Uint8Array {
  const [only] = entries;
  if (only !== undefined && entries.length === 1) {
    return only;
  }
  return Buffer.concat(entries.flatMap((entry, i) => (i === 0 ? [entry] : [LINE_FEED, entry])));
}

/** @throws Error where the bytes are no message of entries that this release knows. */
export function decodeMessage(bytes: Uint8Array): Command[] {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
  return text.split('\n').map((line) => envelope.parse(JSON.parse(line)) as Command);
}
