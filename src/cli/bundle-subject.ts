import { join } from 'node:path';
import { packaged, parseTrustKey, trustedKeys } from '../payload/keys.ts';

/** The file that a `bundle` command looks at: the named one, else this executable, in development the last build. */
export function subject(file: string | undefined): string {
  if (file !== undefined) {
    return file;
  }
  return packaged ? process.execPath : join(import.meta.dirname, '../../build/payload');
}

/** The keys that are trusted, with that of `--trust-key`; in development every key. */
export function trust(extra: string | undefined): string[] | 'any' {
  const keys = extra === undefined ? trustedKeys() : [...trustedKeys(), parseTrustKey(extra)];
  return packaged || extra !== undefined ? keys : 'any';
}
