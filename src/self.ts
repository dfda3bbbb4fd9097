import { basename } from 'node:path';

/**
 * The command line that starts this program again: the single executable by itself,
 * in development node with the same main module.
 */
export function selfCommand(): [string, ...string[]] {
  const main = process.argv[1];
  return basename(process.execPath).startsWith('node') && main !== undefined
    ? [process.execPath, main]
    : [process.execPath];
}
