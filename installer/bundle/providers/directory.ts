import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Failure } from '../../../src/errors.ts';
import { hashFile } from '../cache.ts';
import type { DirectoryPart, ObtainedPart } from '../components.ts';

/**
 * Takes programs as a vendor supplies them, each locked by its sha256.
 * @throws Failure `part-missing`, `part-checksum`.
 */
export async function obtainDirectory(root: string, part: DirectoryPart): Promise<ObtainedPart> {
  const files: ObtainedPart['files'] = {};
  for (const [name, program] of Object.entries(part.programs)) {
    const path = join(resolve(root, part.directory), name);
    if (!existsSync(path)) {
      throw new Failure('part-missing', `${name} ${part.version} is not in ${part.directory}.`, {
        remedy: `Put it there; it comes from ${part.origin}.`,
      });
    }
    const sha256 = await hashFile(path);
    if (sha256 !== program.sha256) {
      throw new Failure(
        'part-checksum',
        `${name} ${part.version} in ${part.directory} has sha256 ${sha256}, but installer/components.yaml locks ` +
          `${program.sha256}.`,
        { remedy: `Get it again from ${part.origin}.` },
      );
    }
    files[name] = { path, sha256 };
  }
  return {
    name: part.name,
    version: part.version,
    licence: part.licence,
    provider: 'directory',
    origin: part.origin,
    inputs: {},
    files,
  };
}
