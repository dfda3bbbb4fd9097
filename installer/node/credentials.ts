import { existsSync, readFileSync } from 'node:fs';
import { createRequest } from '../../src/pki/authority.ts';
import { makeDir, writeFileDurably, type WriteOptions } from './files.ts';

/**
 * A key that is made where it is used, with the request for its certificate beside it until the certificate is there.
 */
export interface CredentialFiles {
  dir: string;
  /** `client` gives client.key, client.csr, client.crt. */
  name: string;
  owner?: number;
}

function file({ dir, name }: CredentialFiles, ending: 'key' | 'csr' | 'crt'): string {
  return `${dir}/${name}.${ending}`;
}

function ownedBy(files: CredentialFiles, mode: number): WriteOptions {
  return files.owner === undefined ? { mode } : { mode, uid: files.owner };
}

/** The request for a credential; makes key and request once, and gives the same request again after a crash. */
export async function credentialRequest(files: CredentialFiles, commonName: string): Promise<string> {
  makeDir(files.dir, ownedBy(files, 0o700));
  if (!existsSync(file(files, 'key')) || !existsSync(file(files, 'csr'))) {
    const { csr, key } = await createRequest(commonName);
    writeFileDurably(file(files, 'csr'), csr, ownedBy(files, 0o600));
    writeFileDurably(file(files, 'key'), key, ownedBy(files, 0o600));
  }
  return readFileSync(file(files, 'csr'), 'utf8');
}

export function credentialReady(files: CredentialFiles): boolean {
  return existsSync(file(files, 'crt')) && existsSync(file(files, 'key')) && existsSync(`${files.dir}/ca.crt`);
}

export function storeCredential(files: CredentialFiles, cert: string, ca: string): void {
  makeDir(files.dir, ownedBy(files, 0o700));
  writeFileDurably(`${files.dir}/ca.crt`, ca, ownedBy(files, 0o600));
  writeFileDurably(file(files, 'crt'), cert, ownedBy(files, 0o600));
}
