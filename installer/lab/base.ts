import { existsSync } from 'node:fs';
import { chmod, mkdir, open, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { Failure } from '../../src/errors.ts';
import { COMMANDS, FILES, PACKAGES, SUITE, recipeKey } from './base-recipe.ts';
import { processAlive } from './processes.ts';
import { run, runTied } from './run.ts';

/** The base image is as large as the largest disk needs; it is sparse, so that costs nothing. */
export const BASE_GIB = 20;

export function baseFolder(env: NodeJS.ProcessEnv): string {
  return join(env['TERRARIUM_CACHE'] ?? join(homedir(), '.cache/terrarium'), 'lab');
}

/** Empty: debootstrap's own default. */
function mirrorOf(env: NodeJS.ProcessEnv): string {
  return env['TERRARIUM_DEBIAN_MIRROR'] ?? '';
}

export function baseImage(env: NodeJS.ProcessEnv): string {
  return join(baseFolder(env), `base-${recipeKey(mirrorOf(env))}.ext4`);
}

/**
 * Makes the ext4 image that every machine's disk is a copy of, unless the cache has it (about a minute).
 * @throws Failure `lab-base-failed` where debootstrap cannot get its packages.
 */
export async function ensureBase(
  env: NodeJS.ProcessEnv,
  say: (line: string) => void,
  signal: AbortSignal,
): Promise<string> {
  const image = baseImage(env);
  if (existsSync(image)) {
    return image;
  }
  await mkdir(dirname(image), { recursive: true });
  await removeStaleWork(baseFolder(env));
  say(`Making the root of the machines from Debian ${SUITE} (once; about a minute)`);
  const work = `${image}.tmp-${process.pid}`;
  const root = join(work, 'root');
  await mkdir(root, { recursive: true });
  try {
    await bootstrap(root, mirrorOf(env), signal);
    for (const file of FILES) {
      await writeGuest(root, file.path, file.content, file.mode);
    }
    for (const command of COMMANDS) {
      await runTied('chroot', [root, ...command], { signal });
    }
    await makeImage(root, join(work, 'image'), signal);
    await rename(join(work, 'image'), image);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return image;
}

async function bootstrap(root: string, mirror: string, signal: AbortSignal): Promise<void> {
  try {
    await runTied(
      'debootstrap',
      ['--variant=minbase', `--include=${PACKAGES.join(',')}`, SUITE, root, ...(mirror === '' ? [] : [mirror])],
      { signal },
    );
  } catch (error) {
    if (signal.aborted) {
      throw error;
    }
    const said = error instanceof Failure ? error.message : String(error);
    throw new Failure(
      'lab-base-failed',
      `The machines' root could not be made from ${mirror === '' ? "Debian's packages" : mirror}: ${said}`,
      {
        remedy:
          'Check that this machine reaches a Debian mirror (TERRARIUM_DEBIAN_MIRROR names another one) and run the ' +
          'same command again.',
        cause: error,
      },
    );
  }
}

async function makeImage(root: string, image: string, signal: AbortSignal): Promise<void> {
  const file = await open(image, 'w');
  await file.truncate(BASE_GIB * 1024 ** 3);
  await file.close();
  await runTied(
    'mke2fs',
    [
      '-q',
      '-t',
      'ext4',
      '-F',
      '-L',
      'root',
      '-m',
      '1',
      '-E',
      'lazy_itable_init=0,lazy_journal_init=0,root_owner=0:0',
      '-d',
      root,
      image,
    ],
    { signal },
  );
}

async function writeGuest(root: string, path: string, content: string, mode: number): Promise<void> {
  const full = join(root, path);
  await mkdir(dirname(full), { recursive: true });
  await writeFile(full, content);
  await chmod(full, mode);
}

/** Removes what a killed `lab up` left of an image that it was making. */
export async function removeStaleWork(folder: string): Promise<void> {
  if (!existsSync(folder)) {
    return;
  }
  for (const name of await readdir(folder)) {
    const pid = /\.tmp-([0-9]+)$/.exec(name)?.[1];
    if (pid !== undefined && !processAlive(Number(pid))) {
      await rm(join(folder, name), { recursive: true, force: true });
    }
  }
}

/** Copies the base image, holes kept, and gives the copy its own size. */
export async function copyBase(base: string, disk: string, gib: number, signal: AbortSignal): Promise<void> {
  await runTied('cp', ['--reflink=auto', '--sparse=always', base, disk], { signal });
  if (gib === BASE_GIB) {
    return;
  }
  if (gib > BASE_GIB) {
    await run('truncate', ['--size', `${gib}G`, disk]);
  }
  await run('resize2fs', ['-f', disk, `${gib}G`], { signal });
  if (gib < BASE_GIB) {
    await run('truncate', ['--size', `${gib}G`, disk]);
  }
}
