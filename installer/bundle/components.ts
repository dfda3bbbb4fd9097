import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { EXIT, Failure } from '../../src/errors.ts';

const checksum = z.union([z.string().regex(/^[0-9a-f]{64}$/), z.literal('unlocked')]);
const packageNames = z.array(z.string().regex(/^[a-z0-9][a-z0-9.+-]*$/));
const common = { name: z.string(), licence: z.string() };

const goPart = z.strictObject({
  ...common,
  provider: z.literal('go'),
  version: z.string(),
  /** Module path; what it is fetched as. */
  origin: z.string(),
  /** Below installer/components: holds go.mod and go.sum. */
  folder: z.string(),
  /** Debian packages whose content ends up in the programs. */
  inputs: packageNames.default([]),
  /** The versions of `inputs` for which the checksums hold. */
  lockedInputs: z.record(z.string(), z.string()).default({}),
  programs: z.record(
    z.string(),
    z.union([
      z.strictObject({
        package: z.string(),
        ldflags: z.string().default(''),
        tags: z.array(z.string()).default([]),
        cgo: z.boolean().default(false),
        sha256: checksum,
      }),
      z.strictObject({ c: z.string(), flags: z.string(), sha256: checksum }),
    ]),
  ),
});

const debianPart = z.strictObject({
  ...common,
  provider: z.literal('debian'),
  suite: z.string(),
  packages: packageNames,
  /** Paths below the root as the packages have them; links are followed. */
  files: z.array(z.string()),
});

const directoryPart = z.strictObject({
  ...common,
  provider: z.literal('directory'),
  version: z.string(),
  origin: z.string(),
  directory: z.string(),
  programs: z.record(z.string(), z.strictObject({ sha256: checksum })),
});

const part = z.discriminatedUnion('provider', [goPart, debianPart, directoryPart]);

const lock = z.strictObject({
  line: z.string(),
  lines: z.record(z.string(), z.array(part)),
  common: z.array(part),
});

export type GoPart = z.infer<typeof goPart>;
export type DebianPart = z.infer<typeof debianPart>;
export type DirectoryPart = z.infer<typeof directoryPart>;
export type Part = z.infer<typeof part>;

/** A part on disk and what is to be recorded about it. */
export interface ObtainedPart {
  name: string;
  version: string;
  licence: string;
  provider: Part['provider'];
  origin: string;
  /** Debian packages that went into it, with the versions found. */
  inputs: Record<string, string>;
  /** Program or file name to its path on this machine and its sha256. */
  files: Record<string, { path: string; sha256: string }>;
}

/** Debian packages and their versions, as in the file below installer/components. */
export function lockFile(root: string): string {
  return join(root, 'installer/components.yaml');
}

/**
 * The parts of one Kubernetes line and those common to all lines.
 * @param line such as `1.36`; undefined means the one that is bundled.
 * @throws Failure `components-invalid`, `line-unknown`.
 */
export function readComponents(root: string, line?: string): { line: string; bundled: boolean; parts: Part[] } {
  const parsed = lock.safeParse(parse(readFileSync(lockFile(root), 'utf8')));
  if (!parsed.success) {
    throw new Failure(
      'components-invalid',
      `installer/components.yaml is not valid: ${z.prettifyError(parsed.error).replaceAll('\n', ' ')}`,
      { exitCode: EXIT.usage },
    );
  }
  const wanted = line ?? parsed.data.line;
  const own = parsed.data.lines[wanted];
  if (own === undefined) {
    throw new Failure('line-unknown', `installer/components.yaml locks no Kubernetes line ${wanted}.`, {
      remedy: `Choose one of ${Object.keys(parsed.data.lines).join(', ')}.`,
      exitCode: EXIT.usage,
    });
  }
  return { line: wanted, bundled: wanted === parsed.data.line, parts: [...own, ...parsed.data.common] };
}

/** The version of Kubernetes among the parts, without `v`. */
export function kubernetesVersion(parts: { name: string; version?: string }[]): string {
  const kubernetes = parts.find((p) => p.name === 'kubernetes');
  if (kubernetes?.version === undefined) {
    throw new Failure('components-invalid', 'installer/components.yaml has no part named kubernetes.');
  }
  return kubernetes.version;
}
