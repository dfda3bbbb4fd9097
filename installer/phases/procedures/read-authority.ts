import { readFileSync } from 'node:fs';
import { nodePaths } from '../../cluster/paths.ts';
import type { Procedure } from '../../plan/types.ts';

export const procedure: Procedure = {
  async run({ spec }) {
    return { key: readFileSync(`${nodePaths(spec).pki}/ca.key`, 'utf8') };
  },
};
