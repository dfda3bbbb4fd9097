import type { Overview, PodInfo } from '../../api/overview.ts';

export interface Concern {
  tone: 'warn' | 'bad';
  text: string;
}

/** A pod that has done its work is no trouble. */
export const podIsWell = (pod: PodInfo): boolean => pod.ready || pod.phase === 'Succeeded';

/** What somebody should look at, the worst first; nothing where all is well. */
export function concernsOf({ kubernetes, nodes, clouds, satellites, pods }: Overview): Concern[] {
  const because = (reason: string | undefined): string => (reason === undefined || reason === '' ? '' : `: ${reason}`);
  const concerns: Concern[] = [
    ...(kubernetes.reachable
      ? []
      : [
          {
            tone: 'warn' as const,
            text: (
              'Kubernetes cannot be reached: nodes and pods are shown as last known. ' + `${kubernetes.error ?? ''}`
            ).trim(),
          },
        ]),
    ...nodes
      .filter((n) => !n.ready)
      .map((n) => ({ tone: 'bad' as const, text: `Node ${n.name} is not ready${because(n.reason)}` })),
    ...clouds
      .filter((c) => c.state !== 'healthy')
      .map((c) => ({
        tone: c.state === 'unreachable' ? ('bad' as const) : ('warn' as const),
        text: `The cloud on ${c.node} is ${c.state.replace('-', ' ')}${because(c.reason)}`,
      })),
    ...clouds.flatMap((c) =>
      c.state !== 'healthy' || c.warning === undefined
        ? []
        : [{ tone: 'warn' as const, text: `The cloud on ${c.node}: ${c.warning}` }],
    ),
    ...satellites.concerns.map((s) => ({
      tone: s.state === 'unreachable' ? ('bad' as const) : ('warn' as const),
      text: `Satellite ${s.id} is ${s.state}`,
    })),
  ];
  const others = satellites.counts.degraded + satellites.counts.unreachable - satellites.concerns.length;
  if (others > 0) {
    concerns.push({ tone: 'bad', text: `${others} more satellites are not healthy` });
  }
  const ill = pods.filter((p) => !podIsWell(p)).length;
  if (ill > 0) {
    concerns.push({ tone: 'warn', text: ill === 1 ? 'One pod is not ready' : `${ill} pods are not ready` });
  }
  return concerns.toSorted((a, b) => Number(a.tone === 'warn') - Number(b.tone === 'warn'));
}
