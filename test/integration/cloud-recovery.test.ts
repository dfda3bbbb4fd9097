import type { ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { resetPassword } from '../../src/cli/reset-password.ts';
import { hashPassword } from '../../src/cloud/auth/password.ts';
import type { KubeObject } from '../../src/kube/types.ts';
import { kubeApi, type KubeApi } from '../support/kube-api.ts';
import { call, localClouds, until, type Answer, type LocalClouds } from '../support/local-cloud.ts';

/**
 * The way from the Secret into the state of three instances, against a real API server: once, and never an old password
 * again.
 */
const nodes = ['n1', 'n2', 'n3'].map((name, i) => ({ name, address: `127.0.0.${i + 1}` }));
const [n1, n2, n3] = nodes as [(typeof nodes)[0], (typeof nodes)[0], (typeof nodes)[0]];
const apiToken = 'trr_of-the-install';
let kube: KubeApi;
let clouds: LocalClouds;
let env: NodeJS.ProcessEnv;
let token = '';
let processes: ChildProcess[] = [];

const login = (node: (typeof nodes)[0], password: string): Promise<Answer> =>
  call(clouds, node, '/api/v1/login', { body: { user: 'admin', password } });
const status = (node: (typeof nodes)[0], bearer: string): Promise<number> =>
  call(clouds, node, '/api/v1/users', { headers: { authorization: `Bearer ${bearer}` } }).then((a) => a.status);

t.before(async () => {
  kube = await kubeApi();
  clouds = await localClouds(nodes, { credentials: false });
  const dir = join(clouds.files.root, 'serviceaccount');
  mkdirSync(dir);
  await kube.client.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'terrarium-system' } });
  await kube.client.apply({
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: { name: 'cloud', namespace: 'terrarium-system' },
  });
  const role = { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'cluster-admin' };
  await kube.client.apply({
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRoleBinding',
    metadata: { name: 'test' },
    roleRef: role,
    subjects: [{ kind: 'ServiceAccount', name: 'cloud', namespace: 'terrarium-system' }],
  } as KubeObject);
  for (const { name, address } of nodes) {
    await kube.client.apply({
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name, labels: { 'node-role.kubernetes.io/control-plane': '' } },
    });
    const about = {
      addresses: [{ type: 'InternalIP', address }],
      conditions: [{ type: 'Ready', status: 'True', reason: 'x', message: 'ok' }],
    };
    await kube.client.request(`/api/v1/nodes/${name}/status`, {
      method: 'PATCH',
      body: { status: about },
      contentType: 'application/merge-patch+json',
    });
  }
  const stringData = {
    adminPasswordHash: await hashPassword('of the install'),
    sessionKey: 'unused',
    apiTokenHash: createHash('sha256').update(apiToken).digest('hex'),
  };
  await kube.client.apply({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'credentials', namespace: 'terrarium-system' },
    stringData,
  } as KubeObject);
  const made = await kube.client.request<{ status: { token: string } }>(
    '/api/v1/namespaces/terrarium-system/serviceaccounts/cloud/token',
    { method: 'POST', body: { spec: { expirationSeconds: 3600 } } },
  );
  writeFileSync(join(dir, 'token'), made.status.token);
  writeFileSync(join(dir, 'ca.crt'), kube.authority.cert);
  env = { TERRARIUM_API: `https://127.0.0.1:${kube.port}`, TERRARIUM_SERVICE_ACCOUNT: dir };
});

t.teardown(async () => {
  await clouds.stop();
  await kube.stop();
});

t.test('three new instances take the first administrator and the token once', { timeout: 300_000 }, async (t) => {
  processes = await Promise.all(nodes.map((n) => clouds.start(n, env)));
  for (const n of nodes) {
    await until(`the token on ${n.name}`, async () => ((await status(n, apiToken)) === 200 ? true : undefined), 30_000);
  }
  const audit = JSON.parse(
    (await call(clouds, n2, '/api/v1/audit', { headers: { authorization: `Bearer ${apiToken}` } })).body,
  ) as { items: { kind: string; changes: unknown[] }[] };
  t.equal(audit.items.filter((e) => e.kind === 'user.recover' && e.changes.length > 0).length, 1);
  const answer = await login(n1, 'of the install');
  t.match(JSON.parse(answer.body), { passwordChange: 'offered' });
  token = (JSON.parse(answer.body) as { token: string }).token;
  t.ok(processes.every((p) => p.exitCode === null));
});

t.test(
  'a password changed in the console holds against the Secret, also after a restart',
  { timeout: 300_000 },
  async (t) => {
    const bearer = { authorization: `Bearer ${token}` };
    const changed = await call(clouds, n1, '/api/v1/password', {
      headers: bearer,
      body: { current: 'of the install', password: 'of the console' },
    });
    t.equal(changed.status, 200, changed.body);
    t.match(JSON.parse(changed.body), { passwordChange: 'none' });
    t.equal(await status(n1, token), 401, 'the sessions before have ended');
    token = (JSON.parse(changed.body) as { token: string }).token;
    t.equal(await status(n1, token), 200);
    await until('the change on n2', async () => ((await status(n2, token)) === 200 ? true : undefined));
    t.equal((await login(n2, 'of the install')).status, 401);
    const old = processes[2];
    old?.kill('SIGTERM');
    await new Promise((resolve) => old?.once('exit', resolve));
    await clouds.start(n3, env);
    t.equal((await login(n3, 'of the install')).status, 401);
    t.equal((await login(n3, 'of the console')).status, 200);
    t.equal(await status(n3, token), 200, 'and the session is known there');
  },
);

t.test(
  'a password that root has set in the Secret wins, on all instances, and ends the sessions',
  { timeout: 300_000 },
  async (t) => {
    const password = await resetPassword(kube.client);
    for (const n of nodes) {
      // Logins that are refused would have to wait ever longer.
      await until(`the end of the sessions on ${n.name}`, async () =>
        (await status(n, token)) === 401 ? true : undefined,
      );
      t.equal((await login(n, password)).status, 200, n.name);
    }
    t.equal((await login(n3, 'of the console')).status, 401);
    t.match(
      JSON.parse((await login(n3, password)).body),
      { passwordChange: 'offered' },
      'it was printed, as the first one',
    );
    t.equal(await status(n3, apiToken), 200, 'the command line goes on');
  },
);
