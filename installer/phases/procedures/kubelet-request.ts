import { existsSync, readFileSync } from 'node:fs';
import { createRequest } from '../../../src/pki/authority.ts';
import { makeDir, writeFileDurably } from '../../node/files.ts';
import { KUBELET_KEY, KUBELET_REQUEST } from '../../node/kubelet-files.ts';
import type { Procedure } from '../../plan/types.ts';

/** The key of the node's kubelet is made here and stays here; what leaves is the request. */
export const procedure: Procedure = {
  async run({ node }) {
    if (!existsSync(KUBELET_REQUEST) || !existsSync(KUBELET_KEY)) {
      const { csr, key } = await createRequest(`system:node:${node.name}`);
      makeDir('/var/lib/kubelet/pki', { mode: 0o700 });
      writeFileDurably(KUBELET_KEY, key, { mode: 0o600 });
      writeFileDurably(KUBELET_REQUEST, csr);
    }
    return { csr: readFileSync(KUBELET_REQUEST, 'utf8') };
  },
};
