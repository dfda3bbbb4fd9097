import { createHash } from 'node:crypto';
import { appendFileSync, mkdirSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { isErrno } from '../../src/errors.ts';

/** A file of our own in OpenSSH's form: trust on first use, refusal ever after. */
export function knownHostsFile(): string {
  return join(homedir(), '.terrarium', 'known_hosts');
}

export interface KnownKey {
  type: string;
  key: string;
}

/** As OpenSSH writes it: the port only where it is another than 22. */
function entryName(address: string, port: number): string {
  return port === 22 ? address : `[${address}]:${port}`;
}

/** All keys that the file has for a host; hashed names, markers and patterns are not understood. */
export function knownKeys(file: string, address: string, port: number): KnownKey[] {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT')) {
      return [];
    }
    throw error;
  }
  return text.split('\n').flatMap((line) => {
    const [names, type, key] = line.split(' ');
    if (names === undefined || type === undefined || key === undefined) {
      return [];
    }
    const found = names.split(',').some((n) => n === entryName(address, port) || n === `[${address}]:${port}`);
    return found ? [{ type, key }] : [];
  });
}

export function remember(file: string, address: string, port: number, key: Buffer): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  appendFileSync(file, `${entryName(address, port)} ${keyType(key)} ${key.toString('base64')}\n`, { mode: 0o600 });
}

/** The type's name stands at the beginning of an ssh public key, behind its length. */
export function keyType(key: Buffer): string {
  return key.subarray(4, 4 + key.readUInt32BE(0)).toString('ascii');
}

/** As `ssh-keygen -l` shows it. */
export function fingerprint(key: Buffer): string {
  return `SHA256:${createHash('sha256').update(key).digest('base64').replace(/=+$/, '')}`;
}
