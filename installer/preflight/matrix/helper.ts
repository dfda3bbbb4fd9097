import { existsSync, createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { openPayload } from '../../../src/payload/open.ts';
import { streamEntry } from '../../../src/payload/read.ts';
import { selfCommand } from '../../../src/self.ts';

/** The native helper's path among the assets. */
export const HELPER = 'bin/terrarium-probe';

export interface LocalHelper {
  path: string;
  remove(): Promise<void>;
}

/**
 * The native helper as a file on this machine: out of the executable's payload, in development from build/native;
 * undefined without one.
 */
export async function probeHelper(): Promise<LocalHelper | undefined> {
  const [program, ...main] = selfCommand();
  if (main.length > 0) {
    const path = join(import.meta.dirname, '../../../build/native/terrarium-probe');
    return existsSync(path) ? { path, remove: () => Promise.resolve() } : undefined;
  }
  const payload = openPayload(program, 'any');
  const entry = payload?.index.entries.find((e) => e.path === HELPER);
  if (payload === undefined || entry === undefined) {
    return undefined;
  }
  const dir = await mkdtemp(join(tmpdir(), 'terrarium-probe-'));
  const path = join(dir, 'terrarium-probe');
  await pipeline(streamEntry(payload, entry), createWriteStream(path, { mode: 0o700 }));
  return { path, remove: () => rm(dir, { recursive: true, force: true }) };
}
