import { z } from 'zod';
import { OWN_NAMESPACES } from '../node/readiness.ts';
import { waitUntilReady } from '../node/ready-wait.ts';
import type { Phase } from '../plan/types.ts';

const argsSchema = z.object({ node: z.string() });

/** The last word of a join, on the coordinating control plane: the new node, and this one, which it joined by. */
export const phase: Phase = {
  title: 'wait until the node is ready',

  async isDone() {
    return false;
  },

  async do(context, args) {
    const { node: joining } = argsSchema.parse(args);
    const nodes = context.spec.nodes.filter((n) => n.name === joining || n.name === context.node.name);
    await waitUntilReady(context, { nodes, namespaces: OWN_NAMESPACES, unscheduled: false, workloads: [] });
  },

  async undo() {
    // Nothing was changed.
  },
};
