import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { Failure } from '../errors.ts';
import type { KubeAccess } from './client.ts';

const schema = z.object({
  'current-context': z.string().optional(),
  clusters: z
    .array(
      z.object({
        name: z.string(),
        cluster: z.object({
          server: z.url(),
          'certificate-authority-data': z.base64().optional(),
          'certificate-authority': z.string().optional(),
        }),
      }),
    )
    .min(1),
  contexts: z
    .array(z.object({ name: z.string(), context: z.object({ cluster: z.string(), user: z.string() }) }))
    .default([]),
  users: z
    .array(
      z.object({
        name: z.string(),
        user: z.object({
          'client-certificate-data': z.base64().optional(),
          'client-certificate': z.string().optional(),
          'client-key-data': z.base64().optional(),
          'client-key': z.string().optional(),
          token: z.string().optional(),
        }),
      }),
    )
    .min(1),
});

/**
 * How to reach a cluster's API by the current context of a kubeconfig; paths in it are relative to `dir`.
 * @throws Failure `bad-kubeconfig`
 */
export function parseKubeconfig(text: string, dir = '/'): KubeAccess {
  const parsed = schema.safeParse(parse(text));
  if (!parsed.success) {
    throw new Failure('bad-kubeconfig', `The kubeconfig is not valid: ${z.prettifyError(parsed.error)}.`);
  }
  const config = parsed.data;
  const context = config.contexts.find((c) => c.name === config['current-context']) ?? config.contexts[0];
  const cluster =
    config.clusters.find((c) => c.name === context?.context.cluster) ??
    (context === undefined ? config.clusters[0] : undefined);
  const user =
    config.users.find((u) => u.name === context?.context.user) ?? (context === undefined ? config.users[0] : undefined);
  if (cluster === undefined || user === undefined) {
    throw new Failure(
      'bad-kubeconfig',
      `The kubeconfig's context ${context?.name ?? ''} names a cluster or user that is not in it.`,
    );
  }
  const content = (data: string | undefined, file: string | undefined): string | undefined => {
    if (data !== undefined) {
      return Buffer.from(data, 'base64').toString('utf8');
    }
    return file === undefined ? undefined : readFileSync(resolve(dir, file), 'utf8');
  };
  const ca = content(cluster.cluster['certificate-authority-data'], cluster.cluster['certificate-authority']);
  const cert = content(user.user['client-certificate-data'], user.user['client-certificate']);
  const key = content(user.user['client-key-data'], user.user['client-key']);
  const token = user.user.token;
  return {
    server: cluster.cluster.server.replace(/\/$/, ''),
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined || key === undefined ? {} : { cert, key }),
    ...(token === undefined ? {} : { token: () => token }),
  };
}

/** Reads a kubeconfig file. @throws Failure `bad-kubeconfig` */
export function loadKubeconfig(file: string): KubeAccess {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    throw new Failure('bad-kubeconfig', `The kubeconfig ${file} cannot be read: ${(cause as Error).message}.`, {
      cause,
    });
  }
  return parseKubeconfig(text, dirname(file));
}
