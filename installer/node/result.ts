import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { applicationAddresses, APPLICATIONS_PATH, hostPorts } from '../../src/kube/applications.ts';
import { createKubeClient } from '../../src/kube/client.ts';
import { loadKubeconfig } from '../../src/kube/kubeconfig.ts';
import type { ConfigMapObject, NodeObject, PodObject } from '../../src/kube/types.ts';
import { fingerprint } from '../../src/pki/authority.ts';
import { readText, writeFileDurably } from './files.ts';
import { firstSecrets, firstSecretsPath } from './first-secrets.ts';
import { ADMIN_CONF } from './kubeadm.ts';

const kubeconfigSchema = z.object({
  clusters: z.array(z.object({ cluster: z.object({ 'certificate-authority-data': z.string() }) })).min(1),
  users: z
    .array(z.object({ user: z.object({ 'client-certificate-data': z.string(), 'client-key-data': z.string() }) }))
    .min(1),
});

/** What an administrator's machine needs to talk to the cluster. Secret. */
export const installResultSchema = z.object({
  /** Undefined when it has been shown before. */
  password: z.string().optional(),
  apiToken: z.string(),
  ca: z.string(),
  caFingerprint: z.string(),
  /** PEM. */
  kubernetes: z.object({ ca: z.string(), cert: z.string(), key: z.string() }),
  /** Name and addresses of a vendor's applications. */
  applications: z.record(z.string(), z.array(z.string())).default({}),
});
export type InstallResult = z.infer<typeof installResultSchema>;

/** Reads it from a control plane's disk (as root); of the cluster itself it asks only for the applications. */
export async function installResult(data: string): Promise<InstallResult> {
  const secrets = firstSecrets.parse(JSON.parse(readText(firstSecretsPath({ data })) ?? '{}'));
  const kubeconfig = kubeconfigSchema.parse(parse(readFileSync(ADMIN_CONF, 'utf8')));
  const decode = (text: string | undefined): string => Buffer.from(text ?? '', 'base64').toString('utf8');
  const user = kubeconfig.users[0]?.user;
  const ca = readFileSync(join(data, 'pki/ca.crt'), 'utf8');
  const applications = await deployedApplications();
  return {
    ...(secrets.password === '' ? {} : { password: secrets.password }),
    apiToken: secrets.apiToken,
    ca,
    caFingerprint: fingerprint(ca),
    kubernetes: {
      ca: decode(kubeconfig.clusters[0]?.cluster['certificate-authority-data']),
      cert: decode(user?.['client-certificate-data']),
      key: decode(user?.['client-key-data']),
    },
    applications,
  };
}

/** A cluster that is installed is not called failed because this cannot be told. */
async function deployedApplications(): Promise<Record<string, string[]>> {
  const client = createKubeClient(loadKubeconfig(ADMIN_CONF));
  try {
    const [published, nodes, pods] = await Promise.all([
      client.list<ConfigMapObject>(APPLICATIONS_PATH),
      client.list<NodeObject>('/api/v1/nodes'),
      client.list<PodObject>('/api/v1/pods'),
    ]);
    return applicationAddresses(
      published.items[0]?.data ?? {},
      nodes.items.map((n) => ({
        name: n.metadata.name,
        address: n.status?.addresses?.find((a) => a.type === 'InternalIP')?.address ?? '',
      })),
      pods.items.map((p) => ({ node: p.spec?.nodeName ?? '', phase: p.status?.phase ?? '', hostPorts: hostPorts(p) })),
    );
  } catch {
    return {};
  } finally {
    client.close();
  }
}

/** The first password is shown once; its hash is in the cluster. */
export function forgetPassword(data: string): void {
  const path = firstSecretsPath({ data });
  const secrets = firstSecrets.parse(JSON.parse(readText(path) ?? '{}'));
  writeFileDurably(path, JSON.stringify({ ...secrets, password: '' }), { mode: 0o600 });
}
