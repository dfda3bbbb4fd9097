import { existsSync } from 'node:fs';
import { z } from 'zod';
import { nodePaths } from '../cluster/paths.ts';
import { controlPlanes } from '../cluster/spec.ts';
import { writeFileDurably } from '../node/files.ts';
import type { Phase } from '../plan/types.ts';

const inputSchema = z.object({ key: z.string().optional() });

/**
 * The cluster's own CA key on every control plane: the loss of the first machine must not end the cluster's ability to
 * sign.
 */
export const phase: Phase = {
  title: 'share the cluster CA among the control planes',

  async input({ spec, node, call }) {
    const [first] = controlPlanes(spec);
    return first === undefined || first.name === node.name ? {} : await call(first, 'read-authority', {});
  },

  async isDone({ spec }) {
    return existsSync(`${nodePaths(spec).pki}/ca.key`);
  },

  async do({ spec }, input) {
    const { key } = inputSchema.parse(input);
    if (key !== undefined) {
      writeFileDurably(`${nodePaths(spec).pki}/ca.key`, key, { mode: 0o600 });
    }
  },

  async undo() {
    // DATA/pki is removed last, by whoever runs the uninstall.
  },
};
