import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parseAllDocuments } from 'yaml';
import type { Overview } from '../../src/api/overview.ts';
import { hashPassword } from '../../src/cloud/auth/password.ts';
import { KubeError, createKubeClient, type KubeClient } from '../../src/kube/client.ts';
import { renderManifest } from '../../src/kube/manifest.ts';
import { serviceAccountAccess } from '../../src/kube/service-account.ts';
import type { KubeObject, PodObject } from '../../src/kube/types.ts';
import { watchCollection } from '../../src/kube/watch.ts';
import { kubeApi, type KubeApi } from '../support/kube-api.ts';
import { call, localClouds, until, type LocalClouds, type LocalNode } from '../support/local-cloud.ts';

const node: LocalNode = { name: 'n1', address: '127.0.0.1' };
const NAMESPACE = 'terrarium-system';
let kube: KubeApi;
let clouds: LocalClouds;
let tokenDir = '';

async function rejection(promise: Promise<unknown>): Promise<KubeError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof KubeError) {
      return error;
    }
    throw error;
  }
  throw new Error('nothing was refused');
}

async function applyManifest(name: string): Promise<void> {
  const ports = Object.fromEntries(
    Object.entries(clouds.ports).map(([n, p]) => [`PORT_${n.replace(/[A-Z]/g, (c) => `_${c}`).toUpperCase()}`, p]),
  );
  const values = {
    ...ports,
    VERSION: '0.1.0',
    DATA: '/var/lib/terrarium',
    IMAGE: 'terrarium.local/terrarium:0.1.0',
    CLOUD_UID: 65500,
    SATELLITE_UID: 65501,
    LOOPBACK: '127.0.0.1',
  };
  for (const document of parseAllDocuments(renderManifest(readFileSync(`manifests/${name}.yaml`, 'utf8'), values))) {
    if (document.contents !== null) {
      await kube.client.apply(document.toJS() as KubeObject);
    }
  }
}

function cloudClient(): KubeClient {
  const access = serviceAccountAccess(`https://127.0.0.1:${kube.port}`, tokenDir);
  if (access === undefined) {
    throw new Error('no token');
  }
  return createKubeClient(access);
}

async function setNode(name: string, ready: boolean): Promise<void> {
  const labels = { 'node-role.kubernetes.io/control-plane': '' };
  await kube.client.apply({ apiVersion: 'v1', kind: 'Node', metadata: { name, labels } });
  const status = {
    addresses: [{ type: 'InternalIP', address: '127.0.0.1' }],
    conditions: [
      {
        type: 'Ready',
        status: ready ? 'True' : 'Unknown',
        reason: 'x',
        message: ready ? 'ok' : 'Kubelet stopped posting node status.',
      },
    ],
  };
  await kube.client.request(`/api/v1/nodes/${name}/status`, {
    method: 'PATCH',
    body: { status },
    contentType: 'application/merge-patch+json',
  });
}

/** The Secret that an install makes. */
async function putCredentials(password: string, apiToken: string): Promise<void> {
  const credentials = {
    adminPasswordHash: await hashPassword(password),
    sessionKey: randomBytes(32).toString('base64'),
    apiTokenHash: createHash('sha256').update(apiToken).digest('hex'),
  };
  await kube.client.apply({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'credentials', namespace: NAMESPACE },
    stringData: credentials,
  } as KubeObject);
}

/** A pod on n1, and an application there and at another address. */
async function putWorkloads(elsewhere: string): Promise<void> {
  const pod: PodObject = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p', namespace: 'default' } };
  await kube.client.apply({
    ...pod,
    spec: {
      nodeName: 'n1',
      hostNetwork: true,
      containers: [{ name: 'c', image: 'x:1', ports: [{ containerPort: 8085 }] }],
    },
  } as PodObject);
  await kube.client.apply({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'applications', namespace: NAMESPACE },
    data: { shop: JSON.stringify(['http://127.0.0.1:8085', elsewhere]) },
  } as KubeObject);
}

async function overviewFor(apiToken: string): Promise<Overview> {
  const headers = { authorization: `Bearer ${apiToken}` };
  return JSON.parse((await call(clouds, node, '/api/v1/overview', { headers })).body) as Overview;
}

t.before(async () => {
  kube = await kubeApi();
  clouds = await localClouds([node]);
  tokenDir = join(clouds.files.root, 'serviceaccount');
  await applyManifest('namespace');
  await applyManifest('cloud');
  await applyManifest('satellite');
  const token = await kube.client.request<{ status: { token: string } }>(
    `/api/v1/namespaces/${NAMESPACE}/serviceaccounts/cloud/token`,
    {
      method: 'POST',
      body: { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { expirationSeconds: 3600 } },
    },
  );
  mkdirSync(tokenDir);
  writeFileSync(join(tokenDir, 'token'), token.status.token);
  writeFileSync(join(tokenDir, 'ca.crt'), kube.authority.cert);
});

t.teardown(async () => {
  await clouds.stop();
  await kube.stop();
});

t.test('apply creates, changes and takes fields; delete says whether there was anything', async (t) => {
  const map = (value: string): KubeObject & { data: Record<string, string> } => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'a', namespace: 'default' },
    data: { key: value },
  });
  await kube.client.apply(map('1'));
  await kube.client.apply(map('2'), { fieldManager: 'another' });
  t.match(await kube.client.get('/api/v1/namespaces/default/configmaps/a'), { data: { key: '2' } });
  t.match(await rejection(kube.client.apply(map('3'), { force: false })), { status: 409 });
  t.equal(await kube.client.delete(map('')), true);
  t.equal(await kube.client.delete(map('')), false);
  t.match(await rejection(kube.client.apply({ apiVersion: 'v1', kind: 'Nonsense', metadata: { name: 'x' } })), {
    status: 404,
    reason: 'NoKindMatch',
  });
  t.match(await rejection(kube.client.get('/api/v1/namespaces/default/configmaps/none')), {
    status: 404,
    reason: 'NotFound',
  });
});

t.test('a list brings all pages', async (t) => {
  await Promise.all(
    Array.from({ length: 510 }, (_, i) =>
      kube.client.request('/api/v1/namespaces/default/configmaps', {
        method: 'POST',
        body: { metadata: { name: `many-${i}` } },
      }),
    ),
  );
  const list = await kube.client.list('/api/v1/namespaces/default/configmaps');
  t.equal(list.items.filter((m) => m.metadata.name.startsWith('many-')).length, 510);
  await kube.client.request('/api/v1/namespaces/default/configmaps', { method: 'DELETE' });
});

t.test('a watch follows over the end of single watches, without a second list', { timeout: 300_000 }, async (t) => {
  const abort = new AbortController();
  const seen: string[] = [];
  let lists = 0;
  const tell = (what: string) => (item: KubeObject) =>
    void (item.metadata.name.startsWith('w') && seen.push(`${what} ${item.metadata.name}`));
  const watching = watchCollection<KubeObject>(
    kube.client,
    '/api/v1/namespaces/default/configmaps',
    {
      replace: () => void (lists += 1),
      changed: tell('changed'),
      removed: tell('removed'),
      reachable: () => undefined,
    },
    abort.signal,
  );
  const map = (name: string): KubeObject => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name, namespace: 'default' },
  });
  await until('the list', () => (lists === 1 ? true : undefined));
  await kube.client.apply(map('w1'));
  await until('the event', () => (seen.includes('changed w1') ? true : undefined), 3000);
  // One watch lasts ten seconds.
  await new Promise((resolve) => setTimeout(resolve, 12_000));
  await kube.client.delete(map('w1'));
  await until('the event after it', () => (seen.includes('removed w1') ? true : undefined), 3000);
  t.equal(lists, 1);
  t.same(seen, ['changed w1', 'removed w1']);
  abort.abort();
  await watching;
});

t.test('the cloud may read nodes, pods, one Secret and one ConfigMap, and nothing else', async (t) => {
  const client = cloudClient();
  await kube.client.request(`/api/v1/namespaces/${NAMESPACE}/secrets`, {
    method: 'POST',
    body: { metadata: { name: 'other' } },
  });
  for (const path of ['/api/v1/nodes', '/api/v1/pods']) {
    t.ok(await client.list(path), path);
  }
  const secrets = `/api/v1/namespaces/${NAMESPACE}/secrets`;
  t.ok(await client.list(`${secrets}?fieldSelector=metadata.name%3Dcredentials`));
  const maps = `/api/v1/namespaces/${NAMESPACE}/configmaps`;
  t.ok(await client.list(`${maps}?fieldSelector=metadata.name%3Dapplications`));
  for (const path of [
    maps,
    `${maps}/cluster`,
    `${maps}?fieldSelector=metadata.name%3Dcluster`,
    secrets,
    `${secrets}/other`,
    '/api/v1/secrets',
    '/api/v1/configmaps',
    `${secrets}?fieldSelector=metadata.name%3Dother`,
  ]) {
    t.equal((await rejection(client.request(path))).status, 403, path);
  }
  for (const [method, path] of [
    ['POST', '/api/v1/nodes'],
    ['DELETE', `${secrets}/credentials`],
    ['PATCH', `${secrets}/credentials`],
    ['DELETE', '/api/v1/pods'],
    ['PATCH', `${maps}/applications`],
  ] as const) {
    t.equal(
      (await rejection(client.request(path, { method, ...(method === 'DELETE' ? {} : { body: {} }) }))).status,
      403,
      `${method} ${path}`,
    );
  }
  client.close();
});

t.test(
  'nodes, pods and credentials come from Kubernetes, and stay when it is gone',
  { timeout: 300_000 },
  async (t) => {
    // As a new instance: it knows nothing yet.
    rmSync(join(clouds.files.data('n1'), 'cloud/state/cloud.db'), { force: true });
    const password = 'from the Secret';
    const apiToken = 'trr_from-the-secret';
    const cloud = await clouds.start(node, {
      TERRARIUM_API: `https://127.0.0.1:${kube.port}`,
      TERRARIUM_SERVICE_ACCOUNT: tokenDir,
    });
    const login = async (): Promise<number> =>
      (await call(clouds, node, '/api/v1/login', { body: { user: 'admin', password } })).status;
    t.equal(await login(), 503, 'before there are credentials');
    await putCredentials(password, apiToken);
    await until('a login', async () => ((await login()) === 200 ? true : undefined), 5000);
    const overview = (): Promise<Overview> => overviewFor(apiToken);

    await setNode('n1', true);
    const elsewhere = 'http://10.0.0.99:8085';
    await putWorkloads(elsewhere);
    const applications = [{ name: 'shop', addresses: ['http://127.0.0.1:8085', elsewhere] }];
    const seen = await until(
      'node and pod',
      async () => {
        const o = await overview();
        return o.nodes.length > 0 && o.pods.length > 0 && o.applications.length > 0 ? o : undefined;
      },
      5000,
    );
    t.strictSame(seen.applications, applications);
    t.match(seen, {
      kubernetes: { reachable: true },
      nodes: [{ name: 'n1', ready: true, role: 'control-plane', address: '127.0.0.1' }],
      pods: [{ name: 'p', node: 'n1', hostNetwork: true, ready: false }],
    });

    await setNode('n1', false);
    await until(
      'the node to be shown as not ready',
      async () => ((await overview()).nodes[0]?.reason === 'Kubelet stopped posting node status.' ? true : undefined),
      3000,
    );

    await kube.stop();
    const down = await until(
      'the loss of the API to be shown',
      async () => {
        const o = await overview();
        return o.kubernetes.reachable ? undefined : o;
      },
      20_000,
    );
    t.match(down, {
      nodes: [{ name: 'n1' }],
      pods: [{ name: 'p' }],
      kubernetes: { error: /cannot be reached|broke off/ },
    });
    t.equal(await login(), 200, 'logins go on');

    // And a restart without the API, with what was last known.
    await new Promise((resolve) => setTimeout(resolve, 5500));
    cloud.kill('SIGTERM');
    await new Promise((resolve) => cloud.once('exit', resolve));
    await clouds.start(node, { TERRARIUM_API: `https://127.0.0.1:${kube.port}`, TERRARIUM_SERVICE_ACCOUNT: tokenDir });
    t.equal(await login(), 200);
    t.match(await overview(), {
      nodes: [{ name: 'n1', ready: false }],
      pods: [{ name: 'p' }],
      applications,
      kubernetes: { reachable: false },
    });
  },
);
