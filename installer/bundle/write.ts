import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream, createWriteStream } from 'node:fs';
import { finished } from 'node:stream/promises';
import {
  encodeSignedFooter,
  type CoreEntry,
  type Index,
  type InsideEntry,
  type StoredEntry,
} from '../../src/payload/format.ts';
import type { SigningKey } from './sign.ts';

/** Where the stored bytes of an entry are: in memory, a file, or a part of one. */
export type Source = { bytes: Buffer } | { file: string; offset: number; size: number };

/** An entry on its way into a payload; what is inside another entry or made of the core needs no source. */
export type NewEntry = { entry: StoredEntry; source: Source } | { entry: InsideEntry | CoreEntry };

/** What follows the head: entries, index, footer, as src/payload/format.ts describes them. */
export interface PayloadParts {
  sources: Source[];
  /** Index and footer. */
  end: Buffer;
}

/** Puts the entries into their order, makes the index and signs it. */
export function assemble(index: Omit<Index, 'entries' | 'format'>, entries: NewEntry[], key: SigningKey): PayloadParts {
  const sorted = entries.toSorted((a, b) => (a.entry.path < b.entry.path ? -1 : 1));
  const json = Buffer.from(
    JSON.stringify({ format: 1, ...index, entries: sorted.map((e) => e.entry) } satisfies Index),
  );
  const sources = sorted.flatMap((e) => ('source' in e ? [e.source] : []));
  const entriesSize = sources.reduce((sum, s) => sum + ('bytes' in s ? s.bytes.length : s.size), 0);
  const signed = encodeSignedFooter(
    entriesSize,
    json.length,
    createHash('sha256').update(json).digest(),
    key.publicKey,
  );
  return { sources, end: Buffer.concat([json, signed, key.sign(Buffer.concat([signed, json]))]) };
}

/** Writes head and payload into one file. */
export async function writeBundle(to: string, head: Source, parts: PayloadParts, mode: number): Promise<void> {
  const out = createWriteStream(to, { mode, highWaterMark: 4 << 20 });
  for (const source of [head, ...parts.sources, { bytes: parts.end }]) {
    if ('bytes' in source) {
      if (!out.write(source.bytes)) {
        await once(out, 'drain');
      }
      continue;
    }
    if (source.size === 0) {
      continue;
    }
    for await (const chunk of createReadStream(source.file, {
      start: source.offset,
      end: source.offset + source.size - 1,
      highWaterMark: 1 << 20,
    })) {
      if (!out.write(chunk)) {
        await once(out, 'drain');
      }
    }
  }
  out.end();
  await finished(out);
}
