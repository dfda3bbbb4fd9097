import type { NodeSpec } from '../cluster/spec.ts';
import type { PlanGroup, PlanLeaf, PlanNode } from '../plan/types.ts';

/** Small words to write plans with. */
export function serial(id: string, title: string, ...children: PlanNode[]): PlanGroup {
  return { kind: 'group', id, title, order: 'serial', children };
}

export function parallel(id: string, title: string, ...children: PlanNode[]): PlanGroup {
  return { kind: 'group', id, title, order: 'parallel', children };
}

export function leaf(group: string, node: NodeSpec, phase: string, exclusive?: string): PlanLeaf {
  return {
    kind: 'leaf',
    id: `${group}/${node.name}/${phase}`,
    phase,
    node: node.name,
    ...(exclusive === undefined ? {} : { exclusive }),
  };
}

/** The same phases on several nodes: one after the other on each, the nodes side by side. */
export function onEach(group: string, title: string, nodes: NodeSpec[], ...phases: string[]): PlanGroup {
  return parallel(
    group,
    title,
    ...nodes.map((node) => serial(`${group}/${node.name}`, node.name, ...phases.map((p) => leaf(group, node, p)))),
  );
}
