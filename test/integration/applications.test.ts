import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { deployApplication, isDeployed, type Application } from '../../installer/node/applications.ts';
import { APPLICATIONS } from '../../src/kube/applications.ts';
import type { ConfigMapObject } from '../../src/kube/types.ts';
import { testSpec } from '../fixtures/spec.ts';
import { kubeApi } from '../support/kube-api.ts';

t.setTimeout(180_000);
const kube = await kubeApi();
t.teardown(() => kube.stop());
await kube.client.request('/api/v1/namespaces', {
  method: 'POST',
  body: { metadata: { name: APPLICATIONS.namespace } },
});

// The node's kubectl, but with this API server's credentials instead of /etc/kubernetes/admin.conf.
const base64 = (text: string): string => Buffer.from(text).toString('base64');
const kubeconfig = join(kube.root, 'admin.conf');
writeFileSync(
  kubeconfig,
  JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'a',
    clusters: [
      {
        name: 'c',
        cluster: {
          server: `https://127.0.0.1:${kube.port}`,
          'certificate-authority-data': base64(kube.authority.cert),
        },
      },
    ],
    users: [
      {
        name: 'u',
        user: { 'client-certificate-data': base64(kube.admin.cert), 'client-key-data': base64(kube.admin.key) },
      },
    ],
    contexts: [{ name: 'a', context: { cluster: 'c', user: 'u' } }],
  }),
  { mode: 0o600 },
);
mkdirSync(join(kube.root, 'prefix/current/bin'), { recursive: true });
writeFileSync(
  join(kube.root, 'prefix/current/bin/kubectl'),
  `#!/bin/sh\nshift 2\nexec ${join(kube.root, 'bin/kubectl')} --kubeconfig ${kubeconfig} "$@"\n`,
  { mode: 0o755 },
);

const spec = { ...testSpec(1), prefix: join(kube.root, 'prefix'), data: join(kube.root, 'data') };
const waits: string[] = [];
const context = {
  spec,
  signal: new AbortController().signal,
  log: () => undefined,
  waiting: (what: string) => void waits.push(what),
};

const map = (name: string, namespace: string): string =>
  `apiVersion: v1\nkind: ConfigMap\nmetadata: { name: ${name}, namespace: ${namespace} }\ndata: { a: "1" }\n`;
const namespace = (name: string): string => `apiVersion: v1\nkind: Namespace\nmetadata: { name: ${name} }\n`;
const published = (): Promise<ConfigMapObject> =>
  kube.client.get<ConfigMapObject>(`/api/v1/namespaces/${APPLICATIONS.namespace}/configmaps/${APPLICATIONS.name}`);

const shop: Application = {
  name: 'shop',
  version: '1.0.0',
  ports: [{ name: 'web', port: 8085, protocol: 'HTTPS' }],
  manifests: [
    // In an order in which Kubernetes cannot take them at once.
    [map('early', 'shop-a'), namespace('shop-a'), namespace('shop-b'), map('late', 'shop-b')].join('---\n'),
    [
      'apiVersion: shop.example/v1\nkind: Till\nmetadata: { name: one, namespace: shop-a }\n',
      'apiVersion: apiextensions.k8s.io/v1\n' +
        'kind: CustomResourceDefinition\n' +
        'metadata: { name: tills.shop.example }\n' +
        'spec: { group: shop.example, scope: Namespaced, names: { plural: tills, singular: till, kind: Till }, ' +
        'versions: [{ name: v1, served: true, storage: true, schema: { openAPIV3Schema: { type: object } } }] }\n',
    ].join('---\n'),
  ],
};

t.test('objects of several namespaces, and of a kind of its own', async (t) => {
  t.equal(await isDeployed(spec, shop), false, 'before');
  await deployApplication(context, shop);
  t.equal(await isDeployed(spec, shop), true);
  for (const path of [
    '/api/v1/namespaces/shop-a/configmaps/early',
    '/api/v1/namespaces/shop-b/configmaps/late',
    '/apis/shop.example/v1/namespaces/shop-a/tills/one',
  ]) {
    t.ok(await kube.client.get(path), path);
  }
  t.strictSame((await published()).data, { shop: '["https://10.77.0.11:8085"]' });
  t.ok(waits.includes('Kubernetes to take the application shop'));
});

t.test('what was deleted or has changed is not done', async (t) => {
  await kube.client.request('/api/v1/namespaces/shop-b/configmaps/late', { method: 'DELETE' });
  t.equal(await isDeployed(spec, shop), false, 'an object is gone');
  await deployApplication(context, shop);
  t.equal(await isDeployed(spec, shop), true);
  t.equal(
    await isDeployed(spec, { ...shop, manifests: [`${shop.manifests[0]}# changed`, shop.manifests[1] ?? ''] }),
    false,
    'another manifest',
  );
  t.equal(await isDeployed({ ...spec, nodes: testSpec(3).nodes }, shop), false, 'more nodes');
});

t.test("another application leaves the first one's addresses alone", async (t) => {
  const other: Application = { name: 'other', version: '2', ports: [], manifests: [map('other', 'default')] };
  await deployApplication(context, other);
  t.strictSame((await published()).data, { shop: '["https://10.77.0.11:8085"]', other: '[]' });
  t.equal(await isDeployed(spec, shop), true);
  t.equal(await isDeployed(spec, other), true);
});

t.test("what Kubernetes refuses is said with the application's name", async (t) => {
  const bad: Application = {
    name: 'bad',
    version: '3',
    ports: [],
    manifests: [
      `apiVersion: v1
kind: Service
metadata: { name: bad, namespace: default }
spec: { ports: [{ port: 99999 }] }
`,
    ],
  };
  await t.rejects(deployApplication(context, bad), {
    code: 'application-refused',
    message: /^The application bad 3 cannot be deployed: .*99999/,
  });
});
