import { createHash } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { isErrno } from '../errors.ts';
import { highwayHash64 } from './highwayhash.ts';

/**
 * A stream's messages as nats-server has them on disk: files `N.blk` of records, little-endian (server/filestore.go,
 * unchanged from 2.9 to 2.15):
 *
 * ```
 * length u32 (highest bit: has headers) · sequence u64 · time i64 (ns) · subject length u16 · subject
 *   · [headers length u32 · headers] · payload · checksum 8
 * ```
 *
 * The checksum is HighwayHash-64 of sequence … payload without the headers' length, keyed by the sha256 of `STREAM-N`.
 * A sequence with its highest bit set is an erased record, with the next one a tombstone. The server looks at it only
 * when it reads a record from disk, and only the leader reads; here every instance looks at its own server's files,
 * whoever leads, while the server goes on.
 */
export interface BlockRecord {
  file: string;
  /** 0 where the record is not a message, or cannot be read. */
  sequence: number;
  subject: string;
  payload: Buffer;
  sound: boolean;
}

const HEADER = 22;
const CHECKSUM = 8;
const HAS_HEADERS = 0x80000000;
const NO_MESSAGE = 0xc0000000;

function readRecord(file: string, key: Buffer, block: Buffer, offset: number): { record: BlockRecord; length: number } {
  const broken = {
    record: { file, sequence: 0, subject: '', payload: Buffer.alloc(0), sound: false },
    length: block.length - offset,
  };
  if (offset + HEADER + CHECKSUM > block.length) {
    return broken;
  }
  const first = block.readUInt32LE(offset);
  const hasHeaders = first >= HAS_HEADERS;
  const length = first % HAS_HEADERS;
  const subjectEnd = HEADER + block.readUInt16LE(offset + 20);
  const bodyStart = subjectEnd + (hasHeaders ? 4 : 0);
  const bodyEnd = length - CHECKSUM;
  if (bodyStart > bodyEnd || offset + length > block.length) {
    return broken;
  }
  const bytes = block.subarray(offset, offset + length);
  const checksum = highwayHash64(
    key,
    Buffer.concat([bytes.subarray(4, 20), bytes.subarray(HEADER, subjectEnd), bytes.subarray(bodyStart, bodyEnd)]),
  );
  const headers = hasHeaders ? bytes.readUInt32LE(subjectEnd) : 0;
  const sound = checksum.equals(bytes.subarray(bodyEnd)) && bodyStart + headers <= bodyEnd;
  const isMessage = (bytes.readUInt32LE(8) & NO_MESSAGE) === 0;
  return {
    record: {
      file,
      sequence: isMessage ? Number(bytes.readBigUInt64LE(4)) : 0,
      subject: bytes.subarray(HEADER, subjectEnd).toString('latin1'),
      payload: bytes.subarray(Math.min(bodyStart + headers, bodyEnd), bodyEnd),
      sound,
    },
    length,
  };
}

/**
 * All records of a stream, block by block; between blocks, and every few records, other work gets its turn.
 * @param streams the account's folder of streams: `<store_dir>/jetstream/<account>/streams`.
 */
export async function* readBlocks(streams: string, stream: string): AsyncGenerator<BlockRecord> {
  const folder = join(streams, stream, 'msgs');
  const numbers = readdirSync(folder)
    .map((name) => /^(\d+)\.blk$/.exec(name)?.[1])
    .filter((n) => n !== undefined)
    .map(Number)
    .sort((a, b) => a - b);
  for (const number of numbers) {
    let block: Buffer;
    try {
      block = readFileSync(join(folder, `${number}.blk`));
    } catch (error) {
      // Purged meanwhile.
      if (isErrno(error, 'ENOENT')) {
        continue;
      }
      throw error;
    }
    const key = createHash('sha256').update(`${stream}-${number}`).digest();
    let turn = performance.now();
    for (let offset = 0; offset < block.length;) {
      const { record, length } = readRecord(`${number}.blk`, key, block, offset);
      yield record;
      offset += length;
      if (performance.now() - turn > 10) {
        await new Promise((resolve) => setImmediate(resolve));
        turn = performance.now();
      }
    }
  }
}
