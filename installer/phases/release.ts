import {
  closeSync,
  copyFileSync,
  existsSync,
  fstatSync,
  lstatSync,
  openSync,
  readSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  rmdirSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { openAssets } from '../../src/assets.ts';
import { isErrno } from '../../src/errors.ts';
import { FOOTER_SIZE } from '../../src/payload/format.ts';
import { TRUSTED_KEYS } from '../../src/payload/keys.ts';
import { unpackRelease } from '../bundle/unpack.ts';
import { nodePaths, type NodePaths } from '../cluster/paths.ts';
import { bundledVersions } from '../node/component-versions.ts';
import { CNI_CONFIG, containerdConfig } from '../node/containerd-config.ts';
import { makeDir, readText, switchLink, updateFile } from '../node/files.ts';
import { readIdentity, writeIdentity } from '../node/identity.ts';
import { removeTrees } from '../node/remove.ts';
import { hostTraits } from '../node/traits.ts';
import type { Phase } from '../plan/types.ts';

/** So that `terrarium` works on a node as it does on the administrator's machine. */
export const COMMAND_LINK = '/usr/local/bin/terrarium';

/** Whether both are the same build with the same payload: the last bytes are the signature over all of it. */
function sameProgram(a: string, b: string): boolean {
  return existsSync(b) && statSync(a).size === statSync(b).size && lastBytes(a).equals(lastBytes(b));
}

function lastBytes(file: string): Buffer {
  const fd = openSync(file, 'r');
  try {
    const bytes = Buffer.alloc(FOOTER_SIZE);
    readSync(fd, bytes, 0, FOOTER_SIZE, Math.max(0, fstatSync(fd).size - FOOTER_SIZE));
    return bytes;
  } finally {
    closeSync(fd);
  }
}

/**
 * Keys that the administrator of this install trusts, beside the program: the node's own copy has to trust them as
 * well.
 */
const keysHere = (): string | undefined => readText(join(dirname(process.execPath), TRUSTED_KEYS));
const keysOf = (paths: NodePaths): string => join(paths.release, 'bin', TRUSTED_KEYS);

function sameKeys(paths: NodePaths): boolean {
  const keys = keysHere();
  return keys === undefined || readText(keysOf(paths)) === keys;
}

function copyTrustedKeys(paths: NodePaths): void {
  const keys = keysHere();
  if (keys !== undefined) {
    updateFile(keysOf(paths), keys);
  }
}

function ownLink(paths: NodePaths): boolean {
  try {
    return lstatSync(COMMAND_LINK).isSymbolicLink() && readlinkSync(COMMAND_LINK) === paths.executable;
  } catch (error) {
    if (isErrno(error, 'ENOENT')) {
      return false;
    }
    throw error;
  }
}

/** Programs and their configuration below PREFIX/releases/VERSION, and the `current` link to it. */
export const phase: Phase = {
  title: 'unpack the programs',

  async isDone({ spec }) {
    const paths = nodePaths(spec);
    return (
      sameProgram(process.execPath, paths.executable) &&
      sameKeys(paths) &&
      existsSync(join(paths.release, '.complete')) &&
      ownLink(paths)
    );
  },

  async do({ spec, node, log }) {
    const paths = nodePaths(spec);
    for (const dir of [paths.prefix, paths.releases, paths.release, join(paths.release, 'bin'), paths.data]) {
      makeDir(dir);
    }
    makeDir(paths.pki, { mode: 0o700 });
    // A finished node stays one while its programs are unpacked again.
    writeIdentity(spec, node, readIdentity(spec.data)?.state ?? 'installing');
    const target = join(paths.release, 'bin/terrarium');
    if (!sameProgram(process.execPath, target)) {
      copyFileSync(process.execPath, `${target}.tmp`);
      renameSync(`${target}.tmp`, target);
    }
    copyTrustedKeys(paths);
    await unpackRelease(openAssets(), paths.release);
    updateFile(
      join(paths.release, 'etc/containerd.toml'),
      containerdConfig(paths, hostTraits(), bundledVersions().pauseImage),
    );
    updateFile(join(paths.release, 'etc/cni/10-host-network.conflist'), CNI_CONFIG);
    updateFile(join(paths.release, '.complete'), '');
    switchLink(paths.current, join('releases', paths.release.split('/').pop() ?? ''));
    if (!existsSync(COMMAND_LINK) && !ownLink(paths)) {
      rmSync(COMMAND_LINK, { force: true });
      makeDir(dirname(COMMAND_LINK));
      symlinkSync(paths.executable, COMMAND_LINK);
    }
    log(`programs are in ${paths.release}`);
  },

  async undo({ spec, log }) {
    const paths = nodePaths(spec);
    if (ownLink(paths)) {
      rmSync(COMMAND_LINK, { force: true });
    }
    removeTrees([paths.prefix], log);
    for (const dir of [dirname(paths.prefix)]) {
      removeIfEmptyAndOurs(dir, paths.prefix);
    }
  },
};

/** /opt and the like belong to the host, a folder between it and us that is empty now does not need to stay. */
function removeIfEmptyAndOurs(dir: string, below: string): void {
  if (['/', '/opt', '/usr', '/var', '/var/lib', '/srv'].includes(dir) || !below.startsWith(dir)) {
    return;
  }
  if (existsSync(dir) && readdirSync(dir).length === 0) {
    rmdirSync(dir);
  }
}
