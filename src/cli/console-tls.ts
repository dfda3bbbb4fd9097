import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { ConsoleTls } from '../../installer/node/console-tls.ts';
import { EXIT, Failure } from '../errors.ts';

function bad(message: string, remedy: string): Failure {
  return new Failure('bad-console-tls', message, { remedy, exitCode: EXIT.usage });
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw bad(
      `${path} cannot be read: ${error instanceof Error ? error.message : String(error)}.`,
      'Name existing PEM files.',
    );
  }
}

/**
 * The customer's own certificate and key for the console, checked against each other before anything is changed
 * anywhere.
 * @throws Failure `bad-console-tls`.
 */
export function readConsoleTls(
  options: { tlsCert?: string | undefined; tlsKey?: string | undefined },
  now = new Date(),
): ConsoleTls | undefined {
  if (options.tlsCert === undefined && options.tlsKey === undefined) {
    return undefined;
  }
  if (options.tlsCert === undefined || options.tlsKey === undefined) {
    throw bad('Only one of --tls-cert and --tls-key is given.', 'Give both.');
  }
  const cert = read(options.tlsCert);
  const key = read(options.tlsKey);
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(cert);
  } catch {
    throw bad(`${options.tlsCert} is no certificate in PEM form.`, 'Give a PEM file, the leaf certificate first.');
  }
  let matches: boolean;
  try {
    matches = certificate.checkPrivateKey(createPrivateKey(key));
  } catch {
    throw bad(
      `${options.tlsKey} is no private key in PEM form without a passphrase.`,
      'Remove the passphrase, or give another file.',
    );
  }
  if (!matches) {
    throw bad(
      `${options.tlsKey} is not the key of the certificate ${options.tlsCert}.`,
      'Give the two files that belong together.',
    );
  }
  if (now > new Date(certificate.validTo)) {
    throw bad(`The certificate ${options.tlsCert} ended on ${certificate.validTo}.`, 'Give one that is valid.');
  }
  return { cert, key };
}
