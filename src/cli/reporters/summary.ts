import { seconds, type RunView } from './model.ts';

/**
 * The time that each phase took, longest first: how long it ran on any node, and beside it the nodes' own times.
 * Phases that were found done take no line.
 */
export function summary(view: RunView, totalMs: number): string[] {
  const phases = new Map<string, { title: string; spans: [number, number][]; nodes: [string, number][] }>();
  for (const { leaf, startedAt, endedAt, ms, skipped } of view.leaves.values()) {
    if (startedAt === undefined || endedAt === undefined || ms === undefined || skipped) {
      continue;
    }
    const phase = phases.get(leaf.phase) ?? { title: leaf.title ?? leaf.phase, spans: [], nodes: [] };
    phase.spans.push([startedAt, endedAt]);
    phase.nodes.push([leaf.node, ms]);
    phases.set(leaf.phase, phase);
  }
  const rows = [...phases.values()].map((p) => ({ ...p, ms: covered(p.spans) })).sort((a, b) => b.ms - a.ms);
  if (rows.length === 0) {
    return [];
  }
  const width = Math.max(...rows.map((r) => r.title.length));
  return [
    `Time by phase, longest first (phases of different nodes overlap; ${seconds(totalMs)} in all):`,
    ...rows.map(
      (r) =>
        `  ${r.title.padEnd(width)}  ${seconds(r.ms).padStart(10)}   ` +
        `${r.nodes.map(([node, ms]) => `${node} ${seconds(ms)}`).join(', ')}`,
    ),
  ];
}

/** How much time the spans cover together. */
function covered(spans: [number, number][]): number {
  let total = 0;
  let end = 0;
  for (const [from, to] of spans.toSorted((a, b) => a[0] - b[0])) {
    total += Math.max(0, to - Math.max(from, end));
    end = Math.max(end, to);
  }
  return total;
}
