import type { Overview } from '../api/overview.ts';
import { updateContext, type Context } from './context.ts';

type Planes = Context['controlPlanes'];

/**
 * The control planes as the cluster itself knows them now: machines join and leave after install wrote the context.
 * Nothing is forgotten on the word of a cloud that cannot reach Kubernetes.
 */
export function currentPlanes(known: Planes, overview: Pick<Overview, 'kubernetes' | 'nodes'>): Planes {
  const now = overview.nodes
    .filter((n) => n.role === 'control-plane' && n.address !== '')
    .map(({ name, address }) => ({ name, address }));
  const kept = known.filter((k) => !now.some((n) => n.name === k.name));
  if (overview.kubernetes.reachable && now.length > 0) {
    return now;
  }
  return [...now, ...kept];
}

/** Stores the control planes that the overview names; a file that cannot be written is no reason to fail a command. */
export function refreshContext(
  env: NodeJS.ProcessEnv,
  context: Context,
  overview: Pick<Overview, 'kubernetes' | 'nodes'>,
): void {
  const planes = currentPlanes(context.controlPlanes, overview);
  const key = (list: Planes): string =>
    list
      .map((p) => `${p.name} ${p.address}`)
      .sort()
      .join();
  if (key(planes) === key(context.controlPlanes)) {
    return;
  }
  try {
    updateContext(env, { ...context, controlPlanes: planes });
  } catch {
    // The next command tries again.
  }
}
