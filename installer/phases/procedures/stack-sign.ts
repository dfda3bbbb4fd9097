import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { Failure } from '../../../src/errors.ts';
import { signRequest } from '../../../src/pki/authority.ts';
import { nodePaths } from '../../cluster/paths.ts';
import { stackCredentials } from '../../node/stack-credentials.ts';
import type { Procedure } from '../../plan/types.ts';

const argsSchema = z.strictObject({ node: z.string(), requests: z.record(z.string(), z.string()) });

/**
 * Signs a node's requests with the cluster's own CA. Names and rights are ours to decide: only the key is taken from
 * the request.
 */
export const procedure: Procedure = {
  async run({ spec }, args) {
    const { node: name, requests } = argsSchema.parse(args);
    const node = spec.nodes.find((n) => n.name === name);
    if (node === undefined) {
      throw new Failure('unknown-node', `${name} is not a node of this cluster.`);
    }
    const { pki } = nodePaths(spec);
    const authority = { cert: readFileSync(`${pki}/ca.crt`, 'utf8'), key: readFileSync(`${pki}/ca.key`, 'utf8') };
    const certs: Record<string, string> = {};
    for (const { id, files: _, ...identity } of stackCredentials(spec, node)) {
      const csr = requests[id];
      if (csr !== undefined) {
        certs[id] = await signRequest(authority, csr, identity, new Date());
      }
    }
    return { ca: authority.cert, certs };
  },
};
