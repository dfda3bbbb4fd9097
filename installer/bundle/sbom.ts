import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ObtainedPart } from './components.ts';

interface LockedPackage {
  version: string;
  license?: string;
  integrity?: string;
}

/**
 * The bill of materials as CycloneDX 1.6. It has no serial number and no time, so that the same parts give the same
 * bytes; npm's own `npm sbom` has both, and lists what is installed, where this lists what is in the executable.
 * @param packages folders of npm packages, as `node_modules/NAME`.
 */
export function billOfMaterials(root: string, version: string, packages: string[], parts: ObtainedPart[]): Buffer {
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, LockedPackage>;
  };
  const npm = packages.flatMap((folder) => {
    const locked = lock.packages[folder];
    if (locked === undefined) {
      return [];
    }
    const name = folder.slice(folder.lastIndexOf('node_modules/') + 'node_modules/'.length);
    return [
      {
        type: 'library',
        'bom-ref': `npm:${folder}`,
        name,
        version: locked.version,
        purl: `pkg:npm/${name.replace('@', '%40')}@${locked.version}`,
        ...(locked.license === undefined ? {} : { licenses: [{ expression: locked.license }] }),
        ...(locked.integrity === undefined
          ? {}
          : {
              hashes: [
                {
                  alg: 'SHA-512',
                  content: Buffer.from(locked.integrity.replace('sha512-', ''), 'base64').toString('hex'),
                },
              ],
            }),
      },
    ];
  });
  const components = parts.map((part) => ({
    type: part.provider === 'debian' ? 'library' : 'application',
    'bom-ref': `part:${part.name}`,
    name: part.name,
    version: part.version,
    licenses: [{ expression: part.licence }],
    ...(part.provider === 'go'
      ? { purl: `pkg:golang/${part.origin}@v${part.name === 'pause' ? '' : part.version}`.replace(/@v$/, '') }
      : {}),
    properties: [
      { name: 'terrarium:provider', value: part.provider },
      { name: 'terrarium:origin', value: part.origin },
      ...Object.entries(part.inputs).map(([name, v]) => ({ name: `terrarium:debian:${name}`, value: v })),
    ],
    components: Object.entries(part.files).map(([name, file]) => ({
      type: 'file',
      'bom-ref': `file:${part.name}:${name}`,
      name,
      hashes: [{ alg: 'SHA-256', content: file.sha256 }],
    })),
  }));
  const bom = {
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    version: 1,
    metadata: {
      component: {
        type: 'application',
        'bom-ref': 'terrarium',
        name: 'terrarium',
        version,
        licenses: [{ expression: 'Apache-2.0' }],
      },
    },
    components: [...components, ...npm],
  };
  return Buffer.from(`${JSON.stringify(bom, null, 1)}\n`);
}
