import { join } from 'node:path';
import { readText, writeFileDurably } from '../../../installer/node/files.ts';
import { createNkey, nkeyOf, type Nkey } from '../../bus/nkey.ts';

/** Seed of the satellite's nkey; beside its certificate, since both are made for one enrolment. */
const nkeyFile = (dir: string): string => join(dir, 'client.nkey');

/**
 * @param dir the folder of its certificate. @returns undefined for a satellite that enrolled without one: it comes by
 *   TLS alone.
 */
export function readNkey(dir: string): Nkey | undefined {
  const seed = readText(nkeyFile(dir));
  return seed === undefined ? undefined : nkeyOf(seed);
}

/** Makes it once, and gives the same after a crash. */
export function ensureNkey(dir: string, owner: number | undefined): Nkey {
  const known = readNkey(dir);
  if (known !== undefined) {
    return known;
  }
  const made = createNkey();
  writeFileDurably(nkeyFile(dir), `${made.seed}\n`, { mode: 0o600, ...(owner === undefined ? {} : { uid: owner }) });
  return made;
}
