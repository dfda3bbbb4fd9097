import { existsSync } from 'node:fs';
import { openAssets } from '../../src/assets.ts';
import { imageArchive, imageNames } from '../bundle/image-archive.ts';
import { nodePaths, type NodePaths } from '../cluster/paths.ts';
import { stopContainers } from '../node/containers.ts';
import { writeFileDurably } from '../node/files.ts';
import { flush } from '../node/flush.ts';
import { removeTrees } from '../node/remove.ts';
import { run } from '../node/run.ts';
import { CONTAINERD_UNIT } from '../node/units.ts';
import type { Phase } from '../plan/types.ts';

const ctr = (paths: NodePaths, ...args: string[]): [string, ...string[]] => [
  `${paths.bin}/ctr`,
  '-a',
  paths.containerdSocket,
  '-n',
  'k8s.io',
  ...args,
];

/** There once an import has reached the disk. */
function marker(paths: NodePaths): string {
  return `${paths.containerd}/.images-on-disk`;
}

async function startAfresh(paths: NodePaths, log: (line: string) => void): Promise<void> {
  const { stdout } = await run(ctr(paths, 'images', 'ls', '-q'));
  if (stdout.trim() === '') {
    return;
  }
  log('an earlier import did not reach its end: the image store is made anew');
  await stopContainers(paths, log);
  await run(['systemctl', 'stop', CONTAINERD_UNIT]);
  removeTrees([paths.containerd], log);
  await run(['systemctl', 'start', CONTAINERD_UNIT]);
}

async function missing(paths: NodePaths): Promise<string[]> {
  const { stdout } = await run(ctr(paths, 'images', 'ls', '-q'));
  const present = new Set(stdout.split('\n'));
  return imageNames(openAssets()).filter((name) => !present.has(name));
}

/**
 * Container images out of the node's own copy of the bundle; nothing is ever pulled. Pinned: the kubelet never collects
 * them.
 */
export const phase: Phase = {
  title: 'import the container images',

  async isDone({ spec }) {
    const paths = nodePaths(spec);
    return existsSync(marker(paths)) && (await missing(paths)).length === 0;
  },

  async do({ spec, signal, log }) {
    const paths = nodePaths(spec);
    // Images of an import that was cut off may be known by name while their files are empty: containerd would not write
    // them again.
    if (!existsSync(marker(paths))) {
      await startAfresh(paths, log);
    }
    const names = await missing(paths);
    await run(ctr(paths, 'images', 'import', '--local', '--label', 'io.cri-containerd.pinned=pinned', '-'), {
      input: imageArchive(openAssets(), names),
      signal,
      log,
    });
    const still = await missing(paths);
    if (still.length > 0) {
      throw new Error(`not imported: ${still.join(', ')}`);
    }
    await flush(paths.containerd);
    writeFileDurably(marker(paths), '');
  },

  async undo() {
    // They lie in the runtime's folder, which goes with it.
  },
};
