import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { KubeAccess } from './client.ts';

export const SERVICE_ACCOUNT_DIR = '/var/run/secrets/kubernetes.io/serviceaccount';

/**
 * Access with the pod's own token, read anew for each request since the kubelet rotates it; undefined outside a pod.
 */
export function serviceAccountAccess(server: string, dir: string = SERVICE_ACCOUNT_DIR): KubeAccess | undefined {
  if (!existsSync(join(dir, 'token')) || !existsSync(join(dir, 'ca.crt'))) {
    return undefined;
  }
  return {
    server,
    ca: readFileSync(join(dir, 'ca.crt'), 'utf8'),
    token: () => readFileSync(join(dir, 'token'), 'utf8').trim(),
  };
}
