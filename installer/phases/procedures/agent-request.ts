import { credentialRequest } from '../../node/credentials.ts';
import type { Procedure } from '../../plan/types.ts';
import { agentCredential } from '../agent-credentials.ts';

export const procedure: Procedure = {
  async run({ spec, node }) {
    return { csr: await credentialRequest(agentCredential(spec), `terrarium:agent:${node.name}`) };
  },
};
