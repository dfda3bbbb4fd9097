import { Failure } from '../../src/errors.ts';
import type { ObtainedPart, Part } from './components.ts';
import { obtainDebian } from './providers/debian.ts';
import { obtainDirectory } from './providers/directory.ts';
import { obtainGo } from './providers/go.ts';

/** Every part on disk, checked against the lock. One after the other: `go build` uses all cores by itself. */
export async function obtainParts(root: string, parts: Part[]): Promise<ObtainedPart[]> {
  const obtained: ObtainedPart[] = [];
  for (const part of parts) {
    obtained.push(await obtain(root, part));
  }
  return obtained;
}

function obtain(root: string, part: Part): Promise<ObtainedPart> {
  switch (part.provider) {
    case 'go':
      return obtainGo(root, part);
    case 'debian':
      return obtainDebian(part);
    case 'directory':
      return obtainDirectory(root, part);
  }
}

/** Path and checksum of a program, by its name, whichever part it comes from. */
export function program(parts: ObtainedPart[], name: string): { path: string; sha256: string } {
  for (const part of parts) {
    const file = part.files[name];
    if (file !== undefined) {
      return file;
    }
  }
  throw new Failure('components-invalid', `No part in installer/components.yaml gives the program ${name}.`);
}
