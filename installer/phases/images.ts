import { openAssets } from '../../src/assets.ts';
import { imageArchive, imageNames } from '../bundle/image-archive.ts';
import { nodePaths, type NodePaths } from '../cluster/paths.ts';
import { run } from '../node/run.ts';
import type { Phase } from '../plan/types.ts';

const ctr = (paths: NodePaths, ...args: string[]): [string, ...string[]] => [`${paths.bin}/ctr`, '-a', paths.containerdSocket, '-n', 'k8s.io', ...args];

async function missing(paths: NodePaths): Promise<string[]> {
  const { stdout } = await run(ctr(paths, 'images', 'ls', '-q'));
  const present = new Set(stdout.split('\n'));
  return imageNames(openAssets()).filter((name) => !present.has(name));
}

/** Container images out of the node's own copy of the bundle; nothing is ever pulled. Pinned: the kubelet never collects them. */
export const phase: Phase = {
  title: 'import the container images',

  async isDone({ spec }) {
    return (await missing(nodePaths(spec))).length === 0;
  },

  async do({ spec, signal, log }) {
    const paths = nodePaths(spec);
    const names = await missing(paths);
    await run(ctr(paths, 'images', 'import', '--local', '--label', 'io.cri-containerd.pinned=pinned', '-'), { input: imageArchive(openAssets(), names), signal, log });
    const still = await missing(paths);
    if (still.length > 0) throw new Error(`not imported: ${still.join(', ')}`);
  },

  async undo() {
    // They lie in the runtime's folder, which goes with it.
  },
};
