import { readdirSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Folders whose files are found by name: build time writes the listing into the executable, development reads the
 * folder.
 */
declare const __MODULES__: Record<string, string[]> | undefined;

/**
 * Names (without `.ts`) of the modules below a folder of the repository such as `src/cli/commands`, sorted;
 * nested ones as `lab/up`. The caller imports them itself by a template such as import(`./commands/${name}.ts`),
 * which esbuild turns into lazy modules: that is how a file is added without touching a list elsewhere.
 */
export function moduleNames(folder: string): string[] {
  if (typeof __MODULES__ !== 'undefined') {
    return __MODULES__[folder] ?? [];
  }
  return listModules(join(import.meta.dirname, '..', folder));
}

/** The listing itself, also used by the build to fill __MODULES__. */
export function listModules(dir: string): string[] {
  return readdirSync(dir, { recursive: true, encoding: 'utf8' })
    .filter((f) => f.endsWith('.ts'))
    .map((f) => f.slice(0, -3))
    .sort();
}
