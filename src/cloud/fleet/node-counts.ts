/** How many satellites a node has that were heard: one that was renamed, or runs twice, may have two. */
export interface NodeCounts {
  /** @param node undefined for a satellite that is not heard any more */
  set(satellite: string, node: string | undefined): void;
  has(node: string): boolean;
}

/** Creates an empty one. */
export function createNodeCounts(): NodeCounts {
  const counts = new Map<string, number>();
  const nodeOf = new Map<string, string>();
  return {
    set(satellite, node) {
      const before = nodeOf.get(satellite);
      if (before === node) {
        return;
      }
      if (before !== undefined) {
        const left = (counts.get(before) ?? 1) - 1;
        if (left === 0) {
          counts.delete(before);
        } else {
          counts.set(before, left);
        }
      }
      if (node === undefined) {
        nodeOf.delete(satellite);
      } else {
        nodeOf.set(satellite, node);
        counts.set(node, (counts.get(node) ?? 0) + 1);
      }
    },
    has: (node) => counts.has(node),
  };
}
