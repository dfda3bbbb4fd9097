import { mkdirSync, readFileSync, readdirSync, statSync, writeFileSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { NodeInfo } from '../../src/api/overview.ts';
import {
  contextPath,
  findContext,
  loadContext,
  removeContext,
  saveContext,
  type Context,
} from '../../src/context/context.ts';
import { currentPlanes, refreshContext } from '../../src/context/refresh.ts';

function context(name: string, clusterId: string, extra: Partial<Context> = {}): Context {
  return {
    name,
    clusterId,
    controlPlanes: [{ name: 'n1', address: '10.77.0.11' }],
    ports: { api: 6443, console: 8443 },
    ca: '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n',
    caFingerprint: 'sha256:00',
    token: 'trr_secret',
    kubeconfig: { ca: 'ca', clientCertificate: 'cert', clientKey: 'key' },
    ...extra,
  };
}

function home(t: Test): NodeJS.ProcessEnv {
  return { HOME: t.testdir() };
}

t.test('what is saved is loaded, and nobody else can read it', async (t) => {
  const env = home(t);
  const saved = context('prod', 'id1');
  process.umask(0);
  saveContext(env, saved);
  t.strictSame(loadContext(env), saved);
  t.equal(statSync(contextPath(env)).mode & 0o777, 0o600);
  t.equal(statSync(join(String(env['HOME']), '.terrarium')).mode & 0o777, 0o700);
  t.strictSame(readdirSync(join(String(env['HOME']), '.terrarium')), ['config.yaml'], 'no temporary file stays');
});

t.test('a second cluster is added, becomes the current one, and the first is kept', async (t) => {
  const env = home(t);
  saveContext(env, context('prod', 'id1'));
  t.equal(saveContext(env, context('prod', 'id2')), 'prod-2', 'a name is taken once');
  t.equal(loadContext(env).clusterId, 'id2');
  t.equal(loadContext(env, 'prod').clusterId, 'id1');
  t.equal(loadContext({ ...env, TERRARIUM_CONTEXT: 'prod' }).clusterId, 'id1');
  t.throws(() => loadContext(env, 'nope'), { code: 'no-context', message: /nope/, remedy: /prod, prod-2/ });
});

t.test('the same cluster is replaced and keeps its name', async (t) => {
  const env = home(t);
  saveContext(env, context('a', 'id1'));
  saveContext(env, context('a', 'id2'));
  t.equal(saveContext(env, context('a', 'id2', { token: 'trr_new' })), 'a-2');
  t.equal(loadContext(env).token, 'trr_new');
  t.equal(loadContext(env, 'a').token, 'trr_secret');
});

t.test('removing forgets one cluster, and with the last one the file and its folder go', async (t) => {
  const env = home(t);
  saveContext(env, context('a', 'id1'));
  saveContext(env, context('b', 'id2'));
  t.equal(removeContext(env, 'id2'), true);
  t.equal(loadContext(env).name, 'a', 'the other becomes current');
  t.equal(removeContext(env, 'id2'), false);
  t.equal(removeContext(env, 'id1'), true);
  t.notOk(existsSync(join(String(env['HOME']), '.terrarium')));
  t.throws(() => loadContext(env), { code: 'no-context', exitCode: 2 });
  t.equal(findContext(env), undefined);
});

t.test("the user's own files beside it stay", async (t) => {
  const env = home(t);
  saveContext(env, context('a', 'id1'));
  const note = join(String(env['HOME']), '.terrarium/note');
  writeFileSync(note, 'mine');
  removeContext(env, 'id1');
  t.equal(readFileSync(note, 'utf8'), 'mine');
});

t.test('a damaged file is named and never overwritten', async (t) => {
  const env = home(t);
  const path = contextPath(env);
  mkdirSync(join(String(env['HOME']), '.terrarium'));
  for (const text of ['contexts: [{name: a}]', 'contexts: [', 'just text']) {
    writeFileSync(path, text);
    t.throws(() => loadContext(env), { code: 'bad-context', message: new RegExp(path) }, text);
    t.throws(() => findContext(env), { code: 'bad-context' }, text);
    t.throws(() => saveContext(env, context('a', 'id1')), { code: 'bad-context' }, text);
    t.equal(readFileSync(path, 'utf8'), text);
  }
});

t.test('TERRARIUM_CONFIG names another file', async (t) => {
  const env = { ...home(t), TERRARIUM_CONFIG: join(t.testdir({ other: {} }), 'other/deep/er.yaml') };
  saveContext(env, context('a', 'id1'));
  t.equal(loadContext(env).name, 'a');
  t.ok(existsSync(env.TERRARIUM_CONFIG));
});

const info = (name: string, address: string): NodeInfo => ({
  name,
  address,
  role: 'control-plane',
  ready: true,
  version: '',
  createdAt: '',
});

t.test('control planes that joined later are learnt, gone ones forgotten, the current cluster stays', async (t) => {
  const env = home(t);
  saveContext(env, context('a', 'id1'));
  saveContext(env, context('b', 'id2'));
  const worker: NodeInfo = { ...info('w1', '10.77.0.14'), role: 'worker' };
  refreshContext(env, loadContext(env, 'a'), {
    kubernetes: { reachable: true },
    nodes: [info('n2', '10.77.0.12'), info('n3', '10.77.0.13'), worker],
  });
  t.strictSame(
    loadContext(env, 'a').controlPlanes.map((p) => p.name),
    ['n2', 'n3'],
  );
  t.equal(loadContext(env).name, 'b');
  t.strictSame(
    loadContext(env, 'b').controlPlanes.map((p) => p.name),
    ['n1'],
  );
});

t.test('a cloud that cannot reach Kubernetes makes nothing forgotten', async (t) => {
  const known = [{ name: 'n1', address: '10.77.0.11' }];
  t.strictSame(currentPlanes(known, { kubernetes: { reachable: false }, nodes: [] }), known);
  t.strictSame(currentPlanes(known, { kubernetes: { reachable: true }, nodes: [] }), known);
  t.strictSame(
    currentPlanes(known, { kubernetes: { reachable: false }, nodes: [info('n2', '10.77.0.12')] }).map((p) => p.name),
    ['n2', 'n1'],
  );
});
