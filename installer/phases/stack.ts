import { createHash, randomBytes } from 'node:crypto';
import { openAssets } from '../../src/assets.ts';
import { hashPassword } from '../../src/cloud/auth/password.ts';
import { Failure } from '../../src/errors.ts';
import type { ClusterSpec } from '../cluster/spec.ts';
import { readText, writeFileDurably } from '../node/files.ts';
import { firstSecrets, firstSecretsPath } from '../node/first-secrets.ts';
import { kubectl } from '../node/kubeadm.ts';
import { run } from '../node/run.ts';
import { renderStack } from '../node/stack-manifests.ts';
import { specToStore } from '../node/stored-spec.ts';
import type { Phase, PhaseContext } from '../plan/types.ts';

async function apply(context: PhaseContext, manifest: string): Promise<void> {
  await run(kubectl(context.spec, 'apply', '--server-side', '--force-conflicts', '-f', '-'), {
    input: manifest,
    log: context.log,
  });
}

async function exists(spec: ClusterSpec, ...what: string[]): Promise<boolean> {
  return (
    (await run(kubectl(spec, 'get', ...what, '-n', 'terrarium-system'), { accept: [0, 1], timeoutMs: 20_000 }))
      .exitCode === 0
  );
}

/**
 * Cloud and satellites, and the first credentials: a password for people, a token for the administrator's command line.
 */
export const phase: Phase = {
  title: 'deploy cloud and satellites',

  async isDone() {
    // Applying is cheap, and the manifests may have changed with the nodes.
    return false;
  },

  async do(context) {
    const { spec } = context;
    const assets = openAssets();
    const manifests = assets
      .entries()
      .filter(
        (e) =>
          e.path.startsWith('manifests/') &&
          e.path.endsWith('.yaml') &&
          e.path !== 'manifests/base.yaml' &&
          !e.path.includes('/examples/'),
      );
    if (manifests.length === 0) {
      throw new Failure('no-manifests', 'This executable carries no manifests of the stack.', {
        remedy: 'Use a complete build of terrarium.',
      });
    }
    // The namespace comes first, so that what is stored in it can be asked for.
    await apply(context, renderStack(spec).render(assets.read('manifests/namespace.yaml').toString('utf8')));
    const values = renderStack(await specToStore(spec));
    if (!(await exists(spec, 'secret/credentials'))) {
      await apply(context, await credentialsSecret(spec));
    }
    await apply(context, values.configMaps);
    await apply(
      context,
      manifests
        .filter((m) => m.path !== 'manifests/namespace.yaml')
        .map((m) => values.render(assets.read(m.path).toString('utf8')))
        .join('\n---\n'),
    );
  },

  async undo() {
    // It lives in etcd and in the runtime.
  },
};

/**
 * The secrets are on the node's disk (0600) before they are in the cluster, so that a crash in between loses none of
 * them.
 */
async function credentialsSecret(spec: ClusterSpec): Promise<string> {
  const path = firstSecretsPath(spec);
  const secrets = firstSecrets.parse(
    JSON.parse(
      readText(path) ??
        JSON.stringify({
          password: randomBytes(12).toString('base64url'),
          apiToken: `trr_${randomBytes(32).toString('base64url')}`,
          sessionKey: randomBytes(32).toString('base64'),
        }),
    ),
  );
  writeFileDurably(path, JSON.stringify(secrets), { mode: 0o600 });
  const stringData = {
    adminPasswordHash: await hashPassword(secrets.password),
    sessionKey: secrets.sessionKey,
    apiTokenHash: createHash('sha256').update(secrets.apiToken).digest('hex'),
  };
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'credentials', namespace: 'terrarium-system' },
    type: 'Opaque',
    stringData,
  });
}
