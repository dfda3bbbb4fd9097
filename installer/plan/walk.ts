import type { PlanGroup, PlanLeaf, PlanNode } from './types.ts';

/**
 * Walks the tree: children of a serial group one after the other, of a parallel one together, at most `atOnce`.
 * Where a child fails, its running siblings go on to their ends; none is started after it.
 * @param run one leaf; false where it failed. What it throws ends the walk.
 * @returns whether all leaves succeeded
 */
export async function walk(root: PlanGroup, run: (leaf: PlanLeaf) => Promise<boolean>): Promise<boolean> {
  const taking = turns();

  async function visit(node: PlanNode): Promise<boolean> {
    if (node.kind === 'leaf') {
      return node.exclusive === undefined ? run(node) : taking(node.exclusive, () => run(node));
    }
    const queue = [...node.children];
    let ok = true;
    const worker = async (): Promise<void> => {
      for (let child = queue.shift(); child !== undefined && ok; child = queue.shift()) {
        if (!(await visit(child))) {
          ok = false;
        }
      }
    };
    const width = node.order === 'serial' ? 1 : Math.min(node.atOnce ?? node.children.length, node.children.length);
    await Promise.all(Array.from({ length: width }, worker));
    return ok;
  }

  return visit(root);
}

/** Runs works of one name one after the other, in the order in which they came. */
function turns(): <T>(name: string, work: () => Promise<T>) => Promise<T> {
  const last = new Map<string, Promise<unknown>>();
  return (name, work) => {
    const turn = (last.get(name) ?? Promise.resolve()).then(work);
    last.set(
      name,
      turn.catch(() => undefined),
    );
    return turn;
  };
}
