import { readIdentity, writeIdentity } from '../node/identity.ts';
import type { Phase } from '../plan/types.ts';

/**
 * The last leaf of each node: from now on the machine is known to be a finished node, not one on which something was
 * begun.
 */
export const phase: Phase = {
  title: 'note that it is complete',

  async isDone({ spec, node }) {
    const identity = readIdentity(spec.data);
    return identity?.state === 'installed' && identity.clusterId === spec.id && identity.name === node.name;
  },

  async do({ spec, node }) {
    writeIdentity(spec, node, 'installed');
  },

  async undo() {
    // node.json goes with DATA.
  },
};
