import { createHash } from 'node:crypto';
import { appendFileSync, mkdirSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { isErrno } from '../../src/errors.ts';

/** A file of our own, one line `[address]:port type base64` a host: trust on first use, refusal ever after. */
export function knownHostsFile(): string {
  return join(homedir(), '.terrarium', 'known_hosts');
}

export interface KnownKey {
  type: string;
  key: string;
}

export function knownKey(file: string, address: string, port: number): KnownKey | undefined {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
  for (const line of text.split('\n')) {
    const [where, type, key] = line.split(' ');
    if (where === `[${address}]:${port}` && type !== undefined && key !== undefined) return { type, key };
  }
  return undefined;
}

export function remember(file: string, address: string, port: number, key: Buffer): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  appendFileSync(file, `[${address}]:${port} ${keyType(key)} ${key.toString('base64')}\n`, { mode: 0o600 });
}

/** The type's name stands at the beginning of an ssh public key, behind its length. */
export function keyType(key: Buffer): string {
  return key.subarray(4, 4 + key.readUInt32BE(0)).toString('ascii');
}

/** As `ssh-keygen -l` shows it. */
export function fingerprint(key: Buffer): string {
  return `SHA256:${createHash('sha256').update(key).digest('base64').replace(/=+$/, '')}`;
}
