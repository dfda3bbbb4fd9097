import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PKI_DIR, SHARED_PKI } from '../../node/kubeadm.ts';
import type { Procedure } from '../../plan/types.ts';

/** What a further control plane needs to make its own certificates; executors answer nobody but control planes. */
export const procedure: Procedure = {
  async run() {
    return Object.fromEntries(SHARED_PKI.map((name) => [name, readFileSync(join(PKI_DIR, name), 'utf8')]));
  },
};
