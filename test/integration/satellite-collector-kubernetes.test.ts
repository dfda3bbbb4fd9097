import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { parseAllDocuments } from 'yaml';
import { renderManifest } from '../../src/kube/manifest.ts';
import type { KubeObject } from '../../src/kube/types.ts';
import { loadTables } from '../../src/satellite/table.ts';
import { kubeApi, type KubeApi } from '../support/kube-api.ts';
import { until } from '../support/local-cloud.ts';
import { NODE, runCollector, type RunningCollector } from './support/collector.ts';

/** Makes the satellite's account in Kubernetes, and writes into `folder` what a pod finds of it. */
async function accountOf(api: KubeApi, folder: string): Promise<void> {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'ca.crt'), api.authority.cert);
  const accounts = '/api/v1/namespaces/terrarium-system/serviceaccounts';
  await api.client.request('/api/v1/namespaces', {
    method: 'POST',
    body: { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'terrarium-system' } },
  });
  await api.client.request(accounts, {
    method: 'POST',
    body: { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'satellite' } },
  });
  const { status } = await api.client.request<{ status: { token: string } }>(`${accounts}/satellite/token`, {
    method: 'POST',
    body: { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: {} },
  });
  writeFileSync(join(folder, 'token'), status.token);
}

/** Applies the satellite's manifest, which gives the account its rights. */
async function grantRights(api: KubeApi): Promise<void> {
  const manifest = renderManifest(readFileSync('manifests/satellite.yaml', 'utf8'), {
    DATA: '/data',
    IMAGE: 'terrarium',
    SATELLITE_UID: '65532',
  });
  const documents = parseAllDocuments(manifest).map((d) => d.toJS() as KubeObject);
  for (const document of documents) {
    await api.client.apply(document);
  }
}

/** A pod that nobody runs. @returns its uid */
async function createPod(api: KubeApi, name: string, node: string): Promise<string> {
  const made = await api.client.request<{ metadata: { uid: string } }>('/api/v1/namespaces/default/pods', {
    method: 'POST',
    body: {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, labels: { app: name } },
      spec: { nodeName: node, containers: [{ name: 'main', image: `${name}:1` }] },
    },
  });
  return made.metadata.uid;
}

/** A warning. @param of the object that it is about */
function createEvent(api: KubeApi, name: string, of: Record<string, string>): Promise<unknown> {
  return api.client.request('/api/v1/namespaces/default/events', {
    method: 'POST',
    body: {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { name },
      involvedObject: { namespace: 'default', ...of },
      type: 'Warning',
      reason: 'BackOff',
      message: `about ${of['name']}`,
      count: 1,
      lastTimestamp: new Date().toISOString().replace(/\.\d+/, ''),
    },
  });
}

/** Stops the API: what was known last stays, and whatever does not need it goes on. */
async function losesTheApi(t: Test, api: KubeApi, { collector, rows }: RunningCollector): Promise<void> {
  await api.stop();
  await until(
    'the loss of the API',
    async () => (collector.notes['pods']?.state === 'stale' ? true : undefined),
    30_000,
  );
  t.match(collector.notes['pods']?.reason, /cannot be reached|broke off/);
  t.match(rows('SELECT name FROM pods'), [{ name: 'mine' }], 'what was known last is there');
  const samples = rows('SELECT count(*) AS n FROM cpu_history')[0]?.['n'];
  await until('the rest to go on', () =>
    rows('SELECT count(*) AS n FROM cpu_history')[0]?.['n'] === samples ? undefined : true,
  );
}

t.test(
  'pods and events of this node, from a real API server, also while it is away',
  { timeout: 240_000 },
  async (t) => {
    const root = mkdtempSync(join(tmpdir(), 'terrarium-collector-'));
    t.teardown(() => rmSync(root, { recursive: true, force: true }));
    const tables = await loadTables();
    const start = (env: NodeJS.ProcessEnv): RunningCollector => runCollector(root, tables, 'kube', env);
    const api: KubeApi = await kubeApi();
    t.teardown(() => api.stop());
    const account = join(root, 'kube/account');
    await accountOf(api, account);
    const running = start({
      TERRARIUM_SERVICE_ACCOUNT: account,
      TERRARIUM_API: `https://127.0.0.1:${api.port}`,
    });
    t.teardown(() => running.stop());

    await until('the refusals', async () =>
      ['pods', 'kubernetes_events'].every((name) => /refuses/.test(running.collector.notes[name]?.reason ?? ''))
        ? true
        : undefined,
    );
    t.match(running.collector.notes['kubernetes_events'], {
      state: 'stale',
      reason: /Kubernetes refuses: events is forbidden/,
    });
    await grantRights(api);
    await until('the rights that the manifest gives', async () =>
      ['pods', 'kubernetes_events'].every((name) => running.collector.notes[name] === undefined) ? true : undefined,
    );

    const mine = await createPod(api, 'mine', NODE);
    const other = await createPod(api, 'other', 'n2');
    await createEvent(api, 'e1', { kind: 'Pod', name: 'mine', uid: mine });
    await createEvent(api, 'e2', { kind: 'Pod', name: 'other', uid: other });
    await until(
      'the event',
      async () => (running.rows('SELECT * FROM kubernetes_events').length > 0 ? true : undefined),
      10_000,
    );
    await until('the pod', async () => (running.rows('SELECT * FROM pods').length > 0 ? true : undefined), 10_000);
    t.match(running.rows('SELECT * FROM pods'), [
      { namespace: 'default', name: 'mine', uid: mine, phase: 'Pending', images: 'mine:1', labels: '{"app":"mine"}' },
    ]);
    t.match(running.rows('SELECT * FROM kubernetes_events'), [
      { type: 'Warning', reason: 'BackOff', kind: 'Pod', name: 'mine', count: 1, message: 'about mine' },
    ]);
    await api.client.request('/api/v1/namespaces/default/events/e1', {
      method: 'PATCH',
      contentType: 'application/merge-patch+json',
      body: { count: 2, lastTimestamp: new Date(Date.now() + 1_000).toISOString().replace(/\.\d+/, '') },
    });
    await until(
      'its second occurrence',
      async () => (running.rows('SELECT * FROM kubernetes_events').length === 2 ? true : undefined),
      10_000,
    );

    await running.stop();
    const again = start({ TERRARIUM_SERVICE_ACCOUNT: account, TERRARIUM_API: `https://127.0.0.1:${api.port}` });
    t.teardown(() => again.stop());
    await createEvent(api, 'e3', { kind: 'Pod', name: 'mine', uid: mine });
    await until(
      'a new event after a restart',
      async () =>
        again.rows("SELECT * FROM kubernetes_events WHERE reason = 'BackOff'").length >= 3 ? true : undefined,
      10_000,
    );
    t.strictSame(
      again.rows('SELECT count FROM kubernetes_events ORDER BY rowid').map((r) => r['count']),
      [1, 2, 1],
      'those that were stored are not stored again',
    );

    await api.client.delete({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'other', namespace: 'default' } });
    await losesTheApi(t, api, again);
    await again.stop();
  },
);
