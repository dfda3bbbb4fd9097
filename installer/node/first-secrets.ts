import { join } from 'node:path';
import { z } from 'zod';
import type { ClusterSpec } from '../cluster/spec.ts';

/**
 * DATA/first-secrets.json (0600, first control plane only): what install made up, until its administrator has fetched
 * it.
 */
export const firstSecrets = z.strictObject({ password: z.string(), apiToken: z.string(), sessionKey: z.string() });

export function firstSecretsPath(spec: Pick<ClusterSpec, 'data'>): string {
  return join(spec.data, 'first-secrets.json');
}
