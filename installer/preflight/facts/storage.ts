import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { type FileHandle, lstat, mkdtemp, open, readlink, rm, stat, statfs, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type DiskFacts, gatherDisk } from './disks.ts';
import { type Mount, parseMounts } from './mounts.ts';
import type { Question } from './question.ts';
import { textOf } from './read.ts';

export interface FolderFacts {
  /** As asked for. */
  path: string;
  /** The nearest folder above that exists; the path itself if it does. */
  exists: string;
  /** It, or a folder above it, is a symbolic link to this. */
  linkTo: string | null;
  mountPoint: string;
  device: string;
  filesystem: string;
  mountOptions: string[];
  sizeBytes: number;
  freeBytes: number;
  inodes: number;
  freeInodes: number;
  /** A program put there really ran; null: nothing can be written there, the reason is in `execError`. */
  execOk: boolean | null;
  execError: string | null;
  /** First folder above that others may not enter (o+x). */
  unsearchable: string | null;
}

export interface StorageFacts {
  prefix: FolderFacts;
  data: FolderFacts;
  kubelet: FolderFacts;
  logs: FolderFacts;
  run: FolderFacts;
  /** What lies below the file systems of prefix, data and kubelet, each file system once. */
  disks: DiskFacts[];
  /** fdatasync of small appended blocks in the data folder, as etcd's log does it; null where it cannot be written. */
  fsync: { samples: number; p50Ms: number; p99Ms: number } | null;
  /** Sequential writing with a final fdatasync; null where it cannot be written. */
  writeMBs: number | null;
}

const FSYNC_BUDGET_MS = 700;
const FSYNC_SAMPLES = 200;
/** etcd's benchmark: blocks of 2300 bytes. */
const FSYNC_BLOCK = 2300;
const WRITE_BYTES = 16 << 20;
/** Below this the measurement is made twice. */
const SLOW_MBS = 20;

export async function gatherStorage(question: Question): Promise<StorageFacts> {
  const mounts = parseMounts((await textOf('/proc/self/mountinfo')) ?? '');
  const folder = (path: string, probe: boolean): Promise<FolderFacts> => folderFacts(path, mounts, probe);
  const [prefix, data, kubelet, logs, run] = await Promise.all([
    folder(question.prefix, true),
    folder(question.data, true),
    folder('/var/lib/kubelet', true),
    folder('/var/log', false),
    folder('/run', true),
  ]);
  const ours = new Set([prefix, data, kubelet].map((f) => f.mountPoint));
  const disks = await Promise.all([...ours].flatMap((at) => mounts.findLast((m) => m.at === at) ?? []).map(gatherDisk));
  const speed = await diskSpeed(data.exists);
  return { prefix, data, kubelet, logs, run, disks, ...speed };
}

async function folderFacts(path: string, mounts: Mount[], probe: boolean): Promise<FolderFacts> {
  let exists = path;
  while (
    !(await stat(exists).then(
      (s) => s.isDirectory(),
      () => false,
    )) &&
    exists !== '/'
  ) {
    exists = dirname(exists);
  }
  let linkTo: string | null = null;
  let unsearchable: string | null = null;
  for (let at = path; at !== '/'; at = dirname(at)) {
    const info = await lstat(at).catch(() => undefined);
    if (info?.isSymbolicLink() === true) {
      linkTo = await readlink(at);
    }
    if (info?.isDirectory() === true && (info.mode & 0o001) === 0 && at !== path) {
      unsearchable = at;
    }
  }
  // Later mounts hide earlier ones at the same place.
  const mount = mounts
    .filter((m) => exists === m.at || exists.startsWith(m.at === '/' ? '/' : `${m.at}/`))
    .reduce<Mount | undefined>(
      (best, m) => (best === undefined || m.at.length >= best.at.length ? m : best),
      undefined,
    );
  const space = await statfs(exists);
  const exec = probe ? await tryExec(exists) : { execOk: null, execError: null };
  return {
    path,
    exists,
    linkTo,
    mountPoint: mount?.at ?? '/',
    device: mount?.device ?? '',
    filesystem: mount?.filesystem ?? '',
    mountOptions: mount?.options ?? [],
    sizeBytes: space.blocks * space.bsize,
    freeBytes: space.bavail * space.bsize,
    inodes: space.files,
    freeInodes: space.ffree,
    ...exec,
    unsearchable,
  };
}

async function tryExec(folder: string): Promise<Pick<FolderFacts, 'execOk' | 'execError'>> {
  let dir: string | undefined;
  try {
    dir = await mkdtemp(join(folder, '.terrarium-probe-'));
    const program = join(dir, 'try');
    await writeFile(program, '#!/bin/sh\nexit 0\n', { mode: 0o700 });
    const error = await new Promise<Error | null>((resolve) => execFile(program, { timeout: 1000 }, (e) => resolve(e)));
    return {
      execOk: error === null,
      execError: error === null ? null : ((error as NodeJS.ErrnoException).code ?? error.message),
    };
  } catch (error) {
    return { execOk: null, execError: (error as NodeJS.ErrnoException).code ?? String(error) };
  } finally {
    if (dir !== undefined) {
      await rm(dir, { recursive: true, force: true });
    }
  }
}

/** MB/s of one stretch of sequential writing with a final fdatasync. */
async function writeSpeed(file: FileHandle): Promise<number> {
  const big = randomBytes(1 << 20);
  const from = performance.now();
  let written = 0;
  while (written < WRITE_BYTES && performance.now() - from < 300) {
    written += (await file.write(big)).bytesWritten;
  }
  await file.datasync();
  return written / 1e6 / ((performance.now() - from) / 1000);
}

async function diskSpeed(folder: string): Promise<Pick<StorageFacts, 'fsync' | 'writeMBs'>> {
  let dir: string | undefined;
  try {
    dir = await mkdtemp(join(folder, '.terrarium-probe-'));
    const file = await open(join(dir, 'log'), 'w');
    const block = randomBytes(FSYNC_BLOCK);
    const times: number[] = [];
    const begin = performance.now();
    while (times.length < FSYNC_SAMPLES && performance.now() - begin < FSYNC_BUDGET_MS) {
      await file.write(block);
      const from = performance.now();
      await file.datasync();
      times.push(performance.now() - from);
    }
    let writeMBs = await writeSpeed(file);
    // Whatever else was being written may have been in the way.
    if (writeMBs < SLOW_MBS) {
      writeMBs = Math.max(writeMBs, await writeSpeed(file));
    }
    await file.close();
    times.sort((a, b) => a - b);
    const at = (q: number): number =>
      Math.round((times[Math.min(times.length - 1, Math.floor(times.length * q))] ?? 0) * 100) / 100;
    return { fsync: { samples: times.length, p50Ms: at(0.5), p99Ms: at(0.99) }, writeMBs: Math.round(writeMBs) };
  } catch {
    return { fsync: null, writeMBs: null };
  } finally {
    if (dir !== undefined) {
      await rm(dir, { recursive: true, force: true });
    }
  }
}
