import { spawn, type ChildProcess } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { Overview } from '../../src/api/overview.ts';
import type { QueryLine } from '../../src/api/queries.ts';
import type { FleetSummary } from '../../src/api/satellites.ts';
import { hashPassword } from '../../src/cloud/auth/password.ts';
import type { KubeObject } from '../../src/kube/types.ts';
import { kubeApi, type KubeApi } from '../support/kube-api.ts';
import { call, localClouds, until, type LocalClouds, type LocalNode } from '../support/local-cloud.ts';

/**
 * As an install does it: one control plane, then a second and a third; each cloud learns of the others from Kubernetes.
 */
const nodes: LocalNode[] = ['n1', 'n2', 'n3'].map((name, i) => ({ name, address: `127.0.0.${i + 1}` }));
const [n1, n2, n3] = nodes as [LocalNode, LocalNode, LocalNode];
const apiToken = 'trr_growth';
const satellites: ChildProcess[] = [];
const instances = new Map<string, ChildProcess>();
let kube: KubeApi;
let clouds: LocalClouds;
let env: NodeJS.ProcessEnv;

async function addNode({ name, address }: LocalNode): Promise<void> {
  await kube.client.apply({
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name, labels: { 'node-role.kubernetes.io/control-plane': '' } },
  });
  const status = {
    addresses: [{ type: 'InternalIP', address }],
    conditions: [{ type: 'Ready', status: 'True', reason: 'x', message: 'ok' }],
  };
  await kube.client.request(`/api/v1/nodes/${name}/status`, {
    method: 'PATCH',
    body: { status },
    contentType: 'application/merge-patch+json',
  });
}

/** A node with its cloud and its satellite, neither of which knows anything yet. */
async function arrive(node: LocalNode): Promise<void> {
  await addNode(node);
  rmSync(join(clouds.files.data(node.name), 'cloud/state/cloud.db'), { force: true });
  instances.set(node.name, await clouds.start(node, env));
  satellites.push(
    spawn(process.execPath, ['src/main.ts', 'satellite'], {
      env: { ...clouds.env(node), TERRARIUM_CLOUDS: nodes.map((n) => `${n.address}:${clouds.ports.nats}`).join() },
      stdio: 'ignore',
    }),
  );
}

const knownOf = (fleet: FleetSummary | undefined): number =>
  Object.values(fleet?.counts ?? {}).reduce((sum, n) => sum + n, 0);

async function overview(node: LocalNode): Promise<Overview | undefined> {
  const answer = await call(clouds, node, '/api/v1/overview', { headers: { authorization: `Bearer ${apiToken}` } });
  return answer.status === 200 ? (JSON.parse(answer.body) as Overview) : undefined;
}

/** Waits until each of these shows all of them healthy, with these parts in the bus, and their satellites. */
async function settled(present: LocalNode[], roles: string[]): Promise<void> {
  for (const node of present) {
    await until(
      `${node.name} to show ${roles.join(', ')}`,
      async () => {
        const o = await overview(node);
        const healthy = o?.clouds.filter((c) => c.state === 'healthy') ?? [];
        const ok =
          healthy
            .map((c) => c.nats.role)
            .sort()
            .join() === roles.join() && o?.satellites.counts.healthy === present.length;
        return ok ? true : undefined;
      },
      45_000,
    );
  }
}

t.before(async () => {
  kube = await kubeApi();
  clouds = await localClouds(nodes);
  const dir = join(clouds.files.root, 'serviceaccount');
  mkdirSync(dir);
  await kube.client.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'terrarium-system' } });
  await kube.client.apply({
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: { name: 'cloud', namespace: 'terrarium-system' },
  });
  const role = { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'cluster-admin' };
  const binding = {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRoleBinding',
    metadata: { name: 'test' },
    roleRef: role,
    subjects: [{ kind: 'ServiceAccount', name: 'cloud', namespace: 'terrarium-system' }],
  };
  await kube.client.apply(binding as KubeObject);
  const stringData = {
    adminPasswordHash: await hashPassword('x'),
    sessionKey: randomBytes(32).toString('base64'),
    apiTokenHash: createHash('sha256').update(apiToken).digest('hex'),
  };
  await kube.client.apply({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'credentials', namespace: 'terrarium-system' },
    stringData,
  } as KubeObject);
  const token = await kube.client.request<{ status: { token: string } }>(
    '/api/v1/namespaces/terrarium-system/serviceaccounts/cloud/token',
    { method: 'POST', body: { spec: { expirationSeconds: 3600 } } },
  );
  writeFileSync(join(dir, 'token'), token.status.token);
  writeFileSync(join(dir, 'ca.crt'), kube.authority.cert);
  env = {
    TERRARIUM_API: `https://127.0.0.1:${kube.port}`,
    TERRARIUM_SERVICE_ACCOUNT: dir,
    TERRARIUM_DEPARTED_SECONDS: '5',
  };
});

t.teardown(async () => {
  for (const s of satellites) {
    s.kill('SIGKILL');
  }
  await clouds.stop();
  await kube.stop();
});

t.test('one', { timeout: 300_000 }, async (t) => {
  await arrive(n1);
  await settled([n1], ['single']);
  t.pass();
});

t.test('a second joins: one state for both', { timeout: 300_000 }, async (t) => {
  await arrive(n2);
  await settled([n1, n2], ['follower', 'leader']);
  const seen = await until('a route between them', async () => {
    const o = await overview(n1);
    return o?.clouds.find((c) => c.name === 'n1')?.nats.peers.join() === 'n2' ? o : undefined;
  });
  t.ok(seen);
});

t.test('a third: JetStream with a leader, and a query reaches all', { timeout: 300_000 }, async (t) => {
  const began = Date.now();
  await arrive(n3);
  await settled(nodes, ['follower', 'follower', 'leader']);
  t.comment(`three settled after ${Date.now() - began} ms`);
  const answer = await call(clouds, n3, '/api/v1/queries', {
    headers: { authorization: `Bearer ${apiToken}` },
    body: { sql: 'select pid from processes limit 1' },
  });
  const last = JSON.parse(answer.body.trim().split('\n').at(-1) ?? '') as QueryLine;
  t.match(last, { done: true, satellites: { n1: 'rows', n2: 'rows', n3: 'rows' } });
});

t.test(
  'one leaves: it is no longer expected, its satellite forgotten when silent, its server removed from the bus',
  { timeout: 300_000 },
  async (t) => {
    satellites[2]?.kill('SIGKILL');
    instances.get('n3')?.kill('SIGTERM');
    await kube.client.request('/api/v1/nodes/n3', { method: 'DELETE' });
    const seen = await until(
      'n3 to be gone from the bus of n1',
      async () => {
        const o = await overview(n1);
        return o?.nodes.length === 2 ? o : undefined;
      },
      5000,
    );
    t.same(
      seen.nodes.map((n) => n.name),
      ['n1', 'n2'],
    );
    await until(
      'its satellite to be forgotten',
      async () => (knownOf((await overview(n1))?.satellites) === 2 ? true : undefined),
      45_000,
    );
    await until(
      'its server to be removed',
      () => (clouds.output.some((chunk) => chunk.includes('bus: removed the server of n3')) ? true : undefined),
      60_000,
    );
    await settled([n1, n2], ['follower', 'leader']);
  },
);
