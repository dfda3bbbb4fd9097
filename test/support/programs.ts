import { existsSync, readdirSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { cacheRoot } from '../../installer/bundle/cache.ts';
import { readComponents } from '../../installer/bundle/components.ts';
import { obtainParts, program } from '../../installer/bundle/obtain.ts';

/**
 * A third-party program for a test: the one that an environment variable names; else, below build.sh, exactly the
 * locked one;
 * else, where a test is run by hand, the one built last.
 */
export async function testProgram(name: string, variable: string): Promise<string> {
  const given = process.env[variable];
  if (given !== undefined) {
    return resolve(given);
  }
  if (process.env['TERRARIUM_GO'] !== undefined) {
    const root = join(import.meta.dirname, '../..');
    const wanted = readComponents(root).parts.filter((p) => 'programs' in p && name in p.programs);
    return program(await obtainParts(root, wanted), name).path;
  }
  const parts = join(cacheRoot(), 'parts');
  const built = (existsSync(parts) ? readdirSync(parts) : [])
    .map((folder) => join(parts, folder, name))
    .filter((path) => existsSync(path));
  const newest = built.sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs)[0];
  if (newest === undefined) {
    throw new Error(`${name} has not been built yet: run ./build.sh, or set ${variable}`);
  }
  return newest;
}
