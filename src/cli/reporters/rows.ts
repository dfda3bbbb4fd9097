import type { PlanNode } from '../../../installer/plan/types.ts';
import { doing, seconds, tally, type LeafView, type RunView } from './model.ts';

/**
 * The one line of a row: a leaf with its node and what it does; a group with its count and, unless `brief`, what runs
 * in it.
 */
export function rowText(view: RunView, node: PlanNode, brief = false): string {
  if (node.kind === 'leaf') {
    const leaf = view.leaves.get(node.id);
    const title = `${node.title ?? node.phase} (${node.node})`;
    return leaf === undefined ? title : `${title}${how(leaf)}`;
  }
  const { total, done, failed } = tally(view, node);
  const inside = leavesIn(view, node);
  const running = inside.filter((l) => l.state === 'in progress');
  const took = done === total && total > 0 ? ` ${span(inside)}` : '';
  const reason = running.length > 0 ? undefined : inside.find((l) => l.error !== undefined)?.error?.message;
  const broken = failed === 0 ? '' : `, ${failed} failed${brief || reason === undefined ? '' : `: ${reason}`}`;
  const nodes = new Set(inside.map((l) => l.leaf.node));
  const tell = (leaf: LeafView): string =>
    `${nodes.size > 1 ? `${leaf.leaf.node} ` : ''}${leaf.leaf.title ?? leaf.leaf.phase}${bracketed(doing(leaf))}`;
  return (
    `${node.title} ` +
    `${done}/${total}${broken}${took}${brief || running.length === 0 ? '' : `: ${running.map(tell).join('; ')}`}`
  );
}

function how(leaf: LeafView): string {
  if (leaf.state === 'completed' || leaf.state === 'rolled back') {
    const took = leaf.ms === undefined ? '' : ` ${seconds(leaf.ms)}`;
    return leaf.skipped ? ': was done already' : took;
  }
  if (leaf.state === 'failed') {
    return `: ${leaf.error?.message ?? 'failed'}`;
  }
  const what = doing(leaf);
  return what === '' ? '' : `: ${what}`;
}

function bracketed(text: string): string {
  return text === '' ? '' : `, ${text}`;
}

function leavesIn(view: RunView, node: PlanNode): LeafView[] {
  if (node.kind === 'group') {
    return node.children.flatMap((child) => leavesIn(view, child));
  }
  const leaf = view.leaves.get(node.id);
  return leaf === undefined ? [] : [leaf];
}

function span(leaves: LeafView[]): string {
  const starts = leaves.flatMap((l) => l.startedAt ?? []);
  const ends = leaves.flatMap((l) => l.endedAt ?? []);
  return starts.length === 0 || ends.length === 0 ? '' : seconds(Math.max(...ends) - Math.min(...starts));
}

/** At most so many characters: a row that wraps would break the redrawing. */
export function cut(text: string, width: number): string {
  const line = text.replaceAll('\n', ' ');
  return line.length <= width ? line : `${line.slice(0, Math.max(1, width - 1))}…`;
}
