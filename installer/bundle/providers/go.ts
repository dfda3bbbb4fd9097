import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { Failure } from '../../../src/errors.ts';
import { cachedFolder, hashOwnFile, keyOf } from '../cache.ts';
import type { GoPart, ObtainedPart } from '../components.ts';
import { say } from '../progress.ts';
import { installedVersions } from './debian.ts';

/**
 * Builds a part from its published Go module, by the Go that build.sh put into TERRARIUM_GO, or takes it from the
 * cache.
 * @throws Failure `part-build-failed`, `part-checksum`.
 */
export async function obtainGo(root: string, part: GoPart): Promise<ObtainedPart> {
  const go = process.env['TERRARIUM_GO'];
  if (go === undefined) {
    throw new Failure('no-go', 'The Go toolchain is not there.', { remedy: 'Start the build by ./build.sh.' });
  }
  const folder = join(root, 'installer/components', part.folder);
  const inputs = await installedVersions(part.inputs);
  const sources = readdirSync(folder)
    .sort()
    .map((name) => [name, readFileSync(join(folder, name), 'utf8')]);
  const recipes = Object.entries(part.programs).map(([name, recipe]) => [name, { ...recipe, sha256: undefined }]);
  const key = keyOf(
    'go-1',
    readFileSync(join(root, 'installer/components/toolchain/go.sum'), 'utf8'),
    part.origin,
    part.version,
    sources,
    recipes,
    inputs,
  );

  const built = await cachedFolder('parts', part.name, key, async (out) => {
    for (const [name, program] of Object.entries(part.programs)) {
      say(`building ${name} ${part.version}`);
      if ('c' in program) {
        const module = await moduleFolder(go, folder, part);
        await run(
          'gcc',
          [...program.flags.split(' '), '-o', join(out, name), join(module, program.c)],
          folder,
          {},
          part,
          name,
        );
      } else {
        const ldflags = `-s -w ${program.ldflags}`.trim();
        const tags = program.tags.length === 0 ? [] : ['-tags', program.tags.join(',')];
        await run(
          go,
          [
            'build',
            '-mod=readonly',
            '-trimpath',
            '-buildvcs=false',
            '-ldflags',
            ldflags,
            ...tags,
            '-o',
            join(out, name),
            program.package,
          ],
          folder,
          { CGO_ENABLED: program.cgo ? '1' : '0', GOOS: 'linux', GOARCH: 'amd64', GOAMD64: 'v1' },
          part,
          name,
        );
      }
    }
  });

  const files: ObtainedPart['files'] = {};
  for (const [name, program] of Object.entries(part.programs)) {
    const path = join(built, name);
    const sha256 = await hashOwnFile(path);
    judgeChecksum(part, name, program.sha256, sha256, inputs);
    files[name] = { path, sha256 };
  }
  return {
    name: part.name,
    version: part.version,
    licence: part.licence,
    provider: 'go',
    origin: part.origin,
    inputs,
    files,
  };
}

/** Compares what was built with the lock. @throws Failure `part-checksum`. */
export function judgeChecksum(
  part: GoPart,
  name: string,
  locked: string,
  sha256: string,
  inputs: Record<string, string>,
): void {
  if (locked === sha256) {
    return;
  }
  if (locked === 'unlocked') {
    say(`NOTICE: ${name} ${part.version} is not locked in installer/components.yaml; this build's sha256 is ${sha256}`);
    return;
  }
  const moved = part.inputs.filter((p) => part.lockedInputs[p] !== inputs[p]);
  if (moved.length > 0) {
    say(
      `NOTICE: ${name} ${part.version} differs from the lock because Debian's ` +
        `${moved.map((p) => `${p} is ${inputs[p]} instead of ${part.lockedInputs[p] ?? 'unrecorded'}`).join(', ')}; ` +
        'recorded in the bundle',
    );
    return;
  }
  throw new Failure(
    'part-checksum',
    `${name} ${part.version} built from ${part.origin} has sha256 ${sha256}, but installer/components.yaml locks ` +
      `${locked}.`,
    {
      remedy:
        'If the change of version, flags or go.sum was meant, write the new checksum there; if not, do not trust ' +
        'this build.',
    },
  );
}

/** The module's sources, in the version of the part's go.mod; Go checks them against go.sum. */
async function moduleFolder(go: string, folder: string, part: GoPart): Promise<string> {
  const { stdout } = await execa(go, ['mod', 'download', '-json', part.origin], {
    cwd: folder,
    env: { GOFLAGS: '-mod=readonly' },
  });
  return (JSON.parse(stdout) as { Dir: string }).Dir;
}

async function run(
  file: string,
  args: string[],
  cwd: string,
  env: Record<string, string>,
  part: GoPart,
  name: string,
): Promise<void> {
  const result = await execa(file, args, { cwd, env, reject: false, all: true });
  if (result.exitCode !== 0) {
    throw new Failure(
      'part-build-failed',
      `${name} ${part.version} could not be built: ${String(result.all ?? result.message)
        .trim()
        .split('\n')
        .slice(-5)
        .join(' | ')}`,
      {
        remedy:
          'Check that the Go module proxy can be reached and that the disk is not full, then run ./build.sh again.',
      },
    );
  }
}
