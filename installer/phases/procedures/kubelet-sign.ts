import { createPrivateKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { signRequest } from '../../../src/pki/authority.ts';
import { PKI_DIR } from '../../node/kubeadm.ts';
import type { Procedure } from '../../plan/types.ts';

const argsSchema = z.strictObject({
  csr: z.string(),
  user: z.string().regex(/^(system:node|terrarium:agent):[a-z0-9.-]+$/),
  group: z.enum(['system:nodes', 'terrarium:agents']),
});

/** Signs a node's request with Kubernetes' own CA, as kubeadm's bootstrap would by way of a token. */
export const procedure: Procedure = {
  async run(_context, args) {
    const { csr, user, group } = argsSchema.parse(args);
    const authority = {
      cert: readFileSync(`${PKI_DIR}/ca.crt`, 'utf8'),
      key: pkcs8(readFileSync(`${PKI_DIR}/ca.key`, 'utf8')),
    };
    const cert = await signRequest(
      authority,
      csr,
      { commonName: user, organization: group, sans: [], usages: ['client'], days: 365 },
      new Date(),
    );
    return { cert, ca: authority.cert };
  },
};

/** kubeadm writes SEC 1 keys, WebCrypto reads PKCS #8. */
function pkcs8(pem: string): string {
  return createPrivateKey(pem).export({ type: 'pkcs8', format: 'pem' }).toString();
}
