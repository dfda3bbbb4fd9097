import { mkdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { replaceFile } from '../durable.ts';
import type { KeyPair } from './authority.ts';

/** Certificate and key in one file, so that there is never one without the other. @throws what reading a file throws */
export function readPair(file: string): KeyPair {
  const [cert = '', key = ''] = readFileSync(file, 'utf8').split(/(?=-----BEGIN PRIVATE KEY-----)/);
  return { cert, key };
}

/** Readable by its owner only. */
export function storePair(file: string, { cert, key }: KeyPair): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  replaceFile(file, `${cert.trimEnd()}\n${key}`, { mode: 0o600 });
}
