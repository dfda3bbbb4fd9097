import { join } from 'node:path';
import { readText, writeFileDurably } from '../../../installer/node/files.ts';
import { createNkey, nkeyOf, type Nkey } from '../../bus/nkey.ts';

/** Seed of the satellite's nkey; beside its certificate, since both are made for one enrolment. */
export const nkeyFile = (data: string): string => join(data, 'satellite/tls/client.nkey');

/** Undefined for a satellite that enrolled without one: it comes by TLS alone. */
export function readNkey(data: string): Nkey | undefined {
  const seed = readText(nkeyFile(data));
  return seed === undefined ? undefined : nkeyOf(seed);
}

/** Makes it once, and gives the same after a crash. */
export function ensureNkey(data: string, owner: number | undefined): Nkey {
  const known = readNkey(data);
  if (known !== undefined) return known;
  const made = createNkey();
  writeFileDurably(nkeyFile(data), `${made.seed}\n`, { mode: 0o600, ...(owner === undefined ? {} : { uid: owner }) });
  return made;
}
