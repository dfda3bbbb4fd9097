import { z } from 'zod';
import { nodePaths } from '../cluster/paths.ts';
import { controlPlanes, type ClusterSpec } from '../cluster/spec.ts';
import { credentialReady, storeCredential, type CredentialFiles } from '../node/credentials.ts';
import type { Phase } from '../plan/types.ts';

const inputSchema = z.object({ cert: z.string(), ca: z.string() });

/** The agent's identity towards the Kubernetes API. */
export function agentCredential(spec: Pick<ClusterSpec, 'prefix' | 'data'>): CredentialFiles {
  return { dir: `${nodePaths(spec).pki}/kubernetes`, name: 'agent' };
}

export const phase: Phase = {
  title: 'give the agent its identity',

  async input({ spec, node, call }) {
    const [first] = controlPlanes(spec);
    if (first === undefined) {
      return {};
    }
    const { csr } = z.object({ csr: z.string() }).parse(await call(node, 'agent-request', {}));
    return await call(first, 'kubelet-sign', { csr, user: `terrarium:agent:${node.name}`, group: 'terrarium:agents' });
  },

  async isDone({ spec }) {
    return credentialReady(agentCredential(spec));
  },

  async do({ spec }, input) {
    const { cert, ca } = inputSchema.parse(input);
    storeCredential(agentCredential(spec), cert, ca);
  },

  async undo() {
    // In DATA/pki, which is removed last.
  },
};
