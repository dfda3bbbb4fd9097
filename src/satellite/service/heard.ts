import { join } from 'node:path';
import { z } from 'zod';
import { readText } from '../../../installer/node/files.ts';
import { replaceFile } from '../../durable.ts';

const schema = z.object({ at: z.number(), pid: z.number(), address: z.string(), kind: z.enum(['tls', 'websocket']) });
/** The connection by which the bus has taken a heartbeat last; `at` in milliseconds since 1970. */
export type HeardRecord = z.infer<typeof schema>;

const file = (data: string): string => join(data, 'satellite/state/heard.json');

export function writeHeard(data: string, record: HeardRecord): void {
  replaceFile(file(data), `${JSON.stringify(record)}\n`, { mode: 0o600 });
}

/** Undefined where it was never heard, or is just being written. */
export function readHeard(data: string): HeardRecord | undefined {
  try {
    return schema.parse(JSON.parse(readText(file(data)) ?? ''));
  } catch {
    return undefined;
  }
}
