import { storedConsoleTls } from '../../node/console-tls.ts';
import type { Procedure } from '../../plan/types.ts';

/** For a control plane that joins: the customer's certificate and key, null where there are none. */
export const procedure: Procedure = {
  async run({ spec }) {
    const tls = storedConsoleTls(spec);
    return tls === undefined ? null : { ...tls };
  },
};
