import { nodePaths } from '../cluster/paths.ts';
import type { ClusterSpec } from '../cluster/spec.ts';
import { run } from './run.ts';
import { lastWords } from './systemd.ts';
import { KUBELET_UNIT } from './units.ts';

/**
 * Why a static pod's container is not up yet, from the container runtime; undefined where it runs (or cannot be asked).
 */
export async function containerCause(spec: ClusterSpec, name: string): Promise<string | undefined> {
  const paths = nodePaths(spec);
  const endpoint = `unix://${paths.containerdSocket}`;
  const { exitCode, stdout } = await run(
    [`${paths.bin}/crictl`, '-r', endpoint, '-i', endpoint, 'ps', '-a', '--name', name, '-o', 'json'],
    { accept: [0, 1], timeoutMs: 10_000 },
  );
  if (exitCode !== 0) {
    return undefined;
  }
  const { containers } = JSON.parse(stdout) as {
    containers?: { id: string; state: string; metadata: { attempt: number } }[];
  };
  const latest = containers?.[0];
  if (latest === undefined) {
    return `its container has not been made yet; the kubelet says: ${await lastWords(KUBELET_UNIT)}`;
  }
  if (latest.state === 'CONTAINER_RUNNING') {
    return undefined;
  }
  return `its container has ended (attempt ${latest.metadata.attempt + 1})`;
}
