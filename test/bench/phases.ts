import type { PlanEvent, PlanNode } from '../../installer/plan/types.ts';

export interface PhaseTime {
  phase: string;
  title: string;
  nodes: number;
  /** ms after the command's start: of the first leaf's beginning, of the last leaf's end. */
  from: number;
  to: number;
  /** ms in which at least one node was at it. */
  busy: number;
}

type Line = PlanEvent | { type: 'preflight' | 'installed'; at: string };

function leaves(node: PlanNode): { id: string; phase: string; title: string }[] {
  return node.kind === 'leaf'
    ? [{ id: node.id, phase: node.phase, title: node.title ?? node.phase }]
    : node.children.flatMap(leaves);
}

/**
 * Phase by phase out of `terrarium install --json`, in the order in which they begin. @param began ms since the epoch.
 */
export function phaseTimes(jsonLines: string, began: number): PhaseTime[] {
  const events = jsonLines
    .split('\n')
    .filter((l) => l !== '')
    .map((l) => JSON.parse(l) as Line);
  const plan = events.find((e) => e.type === 'plan');
  if (plan === undefined) {
    throw new Error('the install told no plan');
  }
  const known = new Map(leaves(plan.plan.root).map((l) => [l.id, l]));
  const spans = new Map<string, { title: string; spans: { from: number; to: number }[] }>();
  const started = new Map<string, number>();
  for (const event of events) {
    if (event.type !== 'leaf') {
      continue;
    }
    const at = Date.parse(event.at) - began;
    if (event.state === 'in progress') {
      started.set(event.id, at);
    }
    const from = started.get(event.id);
    const leaf = known.get(event.id);
    if (event.state !== 'completed' || from === undefined || leaf === undefined) {
      continue;
    }
    const phase = spans.get(leaf.phase) ?? { title: leaf.title, spans: [] };
    phase.spans.push({ from, to: at });
    spans.set(leaf.phase, phase);
  }
  const before: PhaseTime = {
    phase: 'before',
    title: 'connect, copy the executable, check the machines',
    nodes: plan.plan.spec.nodes.length,
    from: 0,
    to: Date.parse(plan.at) - began,
    busy: Date.parse(plan.at) - began,
  };
  const phases = [...spans].map(([phase, { title, spans: list }]) => ({
    phase,
    title,
    nodes: list.length,
    from: Math.min(...list.map((s) => s.from)),
    to: Math.max(...list.map((s) => s.to)),
    busy: union(list),
  }));
  return [before, ...phases.sort((a, b) => a.from - b.from)];
}

function union(spans: { from: number; to: number }[]): number {
  let covered = 0;
  let end = Number.NEGATIVE_INFINITY;
  for (const { from, to } of spans.toSorted((a, b) => a.from - b.from)) {
    covered += Math.max(0, to - Math.max(from, end));
    end = Math.max(end, to);
  }
  return covered;
}
