import { randomBytes } from 'node:crypto';
import {
  createWriteStream,
  existsSync,
  mkdirSync,
  realpathSync,
  renameSync,
  rmSync,
  rmdirSync,
  statSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { DEFAULT_DATA, DEFAULT_PREFIX } from '../../../installer/cluster/spec.ts';
import { Failure } from '../../errors.ts';
import { VERSION } from '../../version.ts';

/** The six Kubernetes programs in one, which goes by the name of its file. */
const ASSET = 'bin/kube';

/** ~/.cache/terrarium, or XDG_CACHE_HOME's. */
export function cacheFolder(env: NodeJS.ProcessEnv): string {
  return join(env['XDG_CACHE_HOME'] ?? join(env['HOME'] ?? homedir(), '.cache'), 'terrarium');
}

/** Where kubectl remembers what the API offers; removed with the program itself. */
export function apiCacheFolder(env: NodeJS.ProcessEnv): string {
  return join(cacheFolder(env), 'kubectl', 'api');
}

/**
 * On a node of the same release the programs are there already: beside this one, or below the prefix that node.json
 * names.
 */
async function installed(env: NodeJS.ProcessEnv): Promise<string | undefined> {
  const { readIdentity } = await import('../../../installer/node/identity.ts');
  const data = env['TERRARIUM_DATA'] ?? DEFAULT_DATA;
  for (const folder of [
    (): string => dirname(process.execPath),
    (): string => join(readIdentity(data)?.prefix ?? DEFAULT_PREFIX, 'current/bin'),
  ]) {
    try {
      const file = join(folder(), 'kubectl');
      if (basename(folder()) === 'bin' && existsSync(file) && basename(realpathSync(dirname(folder()))) === VERSION) {
        return file;
      }
    } catch {
      // No node, or not for us to read.
    }
  }
  return undefined;
}

/**
 * Path of a kubectl of this release: the node's own, else the one of the payload, taken out once into the user's cache.
 * @throws Failure `no-kubectl`
 */
export async function kubectlProgram(env: NodeJS.ProcessEnv): Promise<string> {
  const own = await installed(env);
  if (own !== undefined) {
    return own;
  }
  const { openAssets } = await import('../../assets.ts');
  const assets = openAssets();
  const entry = assets.entries().find((e) => e.path === ASSET);
  if (entry === undefined) {
    throw new Failure('no-kubectl', 'This executable carries no kubectl.', {
      remedy: 'Use a complete build of terrarium, or run the command on a node of the cluster.',
    });
  }
  const folder = join(cacheFolder(env), 'kubectl', entry.sha256);
  const file = join(folder, 'kubectl');
  // Written under another name and renamed when it had been verified: a file of this name is whole.
  if (statSync(file, { throwIfNoEntry: false })?.size === entry.size) {
    return file;
  }
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const temporary = `${file}.${randomBytes(4).toString('hex')}`;
  try {
    await pipeline(assets.stream(ASSET), createWriteStream(temporary, { mode: 0o700 }));
    renameSync(temporary, file);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw new Failure('no-kubectl', `kubectl cannot be taken out into ${folder}: ${(error as Error).message}.`, {
      remedy: 'Free space there, or set XDG_CACHE_HOME to a folder with 160 MB free.',
      cause: error,
    });
  }
  return file;
}

/**
 * Removes every kubectl that was taken out into the user's cache; other things of ours there (a builder's downloads)
 * stay.
 */
export function removeCachedKubectl(env: NodeJS.ProcessEnv): void {
  const cache = cacheFolder(env);
  rmSync(join(cache, 'kubectl'), { recursive: true, force: true });
  try {
    rmdirSync(cache);
  } catch {
    // Not there, or not empty.
  }
}
