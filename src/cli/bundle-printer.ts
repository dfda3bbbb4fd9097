import { payloadAssets } from '../assets.ts';
import { EXIT, Failure } from '../errors.ts';
import { trustedKeys } from '../payload/keys.ts';
import { openPayload } from '../payload/open.ts';
import type { AssetEntry } from '../payload/types.ts';

interface PartRecord {
  name: string;
  version: string;
  licence: string;
  provider: string;
  origin: string;
  inputs: Record<string, string>;
  files: Record<string, string>;
}

/** What `bundle inspect --json` prints. */
export interface Description {
  file: string;
  kind: 'executable' | 'bundle';
  name: string;
  version: string;
  kubernetes: string;
  signedBy: string;
  trusted: boolean;
  developmentKey: boolean;
  application?: { name: string; version: string };
  parts: PartRecord[];
  images: { names: string[]; digest: string }[];
  files: AssetEntry[];
}

/**
 * Reads a bundle's index, whoever has signed it: looking is not trusting. @throws Failure as openPayload,
 * `payload-missing`.
 */
export function describe(file: string): { description: Description; sbom: string } {
  const payload = openPayload(file, 'any');
  if (payload === undefined) {
    throw new Failure('payload-missing', `${file} is a terrarium without its payload.`, {
      remedy: 'Use the complete file as it was delivered.',
      exitCode: EXIT.usage,
    });
  }
  const assets = payloadAssets(payload);
  const json = (path: string): unknown => JSON.parse(assets.read(path).toString('utf8'));
  const entries = assets.entries();
  const images = entries
    .filter((e) => e.path === 'images.json' || /^app\/[^/]+\/images\.json$/.test(e.path))
    .flatMap((e) => json(e.path) as { names: string[]; manifest: { digest: string } }[]);
  const { index } = payload;
  return {
    description: {
      file,
      kind: payload.kind,
      name: index.name,
      version: index.version,
      kubernetes: index.kubernetes,
      signedBy: payload.publicKey,
      trusted: trustedKeys().includes(payload.publicKey),
      developmentKey: index.developmentKey,
      ...(index.application === undefined ? {} : { application: index.application }),
      parts: json('components.json') as PartRecord[],
      images: images.map(({ names, manifest }) => ({ names, digest: manifest.digest })),
      files: entries,
    },
    sbom: assets.read('sbom.cdx.json').toString('utf8'),
  };
}

/** The same for people. */
export function printDescription(d: Description, withFiles: boolean, out: NodeJS.WritableStream): void {
  const application =
    d.application === undefined ? '' : ` with the application ${d.application.name} ${d.application.version}`;
  out.write(`${d.file}: terrarium ${d.version}, Kubernetes ${d.kubernetes}${application}\n`);
  const development = d.developmentKey ? ', a development key' : '';
  out.write(`signed by ${d.signedBy}${development}${d.trusted ? '' : ', which is not trusted here'}\n`);
  out.write('(the signature over the index is valid; `terrarium bundle verify` checks every byte)\n\nParts:\n');
  const width = Math.max(...d.parts.map((p) => p.name.length));
  for (const part of d.parts) {
    out.write(`  ${part.name.padEnd(width)}  ${part.version}  ${part.licence}  ${part.origin}\n`);
  }
  out.write('\nImages:\n');
  for (const image of d.images) {
    for (const name of image.names) {
      out.write(`  ${name}  ${image.digest}\n`);
    }
  }
  if (!withFiles) {
    return;
  }
  out.write('\nFiles:\n');
  for (const file of d.files) {
    out.write(`  ${file.sha256}  ${String(file.size).padStart(10)}  ${file.path}\n`);
  }
}
