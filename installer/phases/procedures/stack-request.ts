import { credentialRequest } from '../../node/credentials.ts';
import { stackCredentials } from '../../node/stack-credentials.ts';
import type { Procedure } from '../../plan/types.ts';

/** Requests for every certificate of the stack on this node. */
export const procedure: Procedure = {
  async run({ spec, node }) {
    const requests: Record<string, string> = {};
    for (const credential of stackCredentials(spec, node)) {
      requests[credential.id] = await credentialRequest(credential.files, credential.commonName);
    }
    return requests;
  },
};
