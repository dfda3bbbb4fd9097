import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { resetPassword } from '../../src/cli/reset-password.ts';
import { verifyPassword } from '../../src/cloud/auth/password.ts';
import { saveContext } from '../../src/context/context.ts';
import { createKubeClient } from '../../src/kube/client.ts';
import type { KubeObject, SecretObject } from '../../src/kube/types.ts';
import { VERSION } from '../../src/version.ts';
import { freePorts } from '../support/bus-files.ts';
import { kubeApi, type KubeApi } from '../support/kube-api.ts';
import { pattern } from './support/pattern.ts';

interface Result {
  code: number | null;
  stdout: string;
  stderr: string;
}

let kube: KubeApi;
let env: NodeJS.ProcessEnv;

async function run(args: string[], input = ''): Promise<Result> {
  const child = spawn(process.execPath, ['src/main.ts', ...args], { env, stdio: ['pipe', 'pipe', 'pipe'] });
  const result: Result = { code: null, stdout: '', stderr: '' };
  child.stdout.on('data', (chunk: Buffer) => (result.stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (result.stderr += chunk.toString()));
  child.stdin.end(input);
  const [code] = (await once(child, 'close')) as [number | null];
  return { ...result, code };
}

const kubeconfigs = (): string[] => readdirSync(tmpdir()).filter((n) => /^terrarium-[A-Za-z0-9]{6}$/.test(n));

t.before(async () => {
  kube = await kubeApi();
  const home = t.testdir({ prefix: { releases: { [VERSION]: { bin: {} } } }, data: {} });
  symlinkSync(join(kube.root, 'bin/kubectl'), join(home, 'prefix/releases', VERSION, 'bin/kubectl'));
  symlinkSync(`releases/${VERSION}`, join(home, 'prefix/current'));
  mkdirSync(join(home, 'data'), { recursive: true });
  writeFileSync(
    join(home, 'data/node.json'),
    JSON.stringify({
      clusterId: 'c0ffee',
      cluster: 'test',
      name: 'n1',
      address: '127.0.0.1',
      role: 'control-plane',
      prefix: join(home, 'prefix'),
      data: join(home, 'data'),
      state: 'installed',
    }),
  );
  env = { PATH: process.env['PATH'], HOME: home, TERRARIUM_DATA: join(home, 'data'), NODE_NO_WARNINGS: '1' };
  const [console = 0] = await freePorts(1);
  saveContext(env, {
    name: 'test',
    clusterId: 'c0ffee',
    // The first one is dead.
    controlPlanes: [
      { name: 'n0', address: '127.0.0.9' },
      { name: 'n1', address: '127.0.0.1' },
    ],
    ports: { api: kube.port, console },
    ca: kube.authority.cert,
    caFingerprint: 'sha256:00',
    token: 'trr_none',
    kubeconfig: { ca: kube.authority.cert, clientCertificate: kube.admin.cert, clientKey: kube.admin.key },
  });
  const meta = (name: string, extra = {}): KubeObject['metadata'] => ({ name, ...extra });
  const post = (path: string, body: unknown): Promise<KubeObject> =>
    kube.client.request<KubeObject>(path, { method: 'POST', body });
  await post('/api/v1/namespaces', { metadata: meta('terrarium-system') });
  await post('/api/v1/nodes', { metadata: meta('n1', { labels: { 'node-role.kubernetes.io/control-plane': '' } }) });
  await kube.client.request('/api/v1/nodes/n1/status', {
    method: 'PATCH',
    contentType: 'application/merge-patch+json',
    body: {
      status: {
        addresses: [{ type: 'InternalIP', address: '127.0.0.1' }],
        conditions: [
          {
            type: 'Ready',
            status: 'Unknown',
            message: 'Kubelet stopped posting node status.',
            lastTransitionTime: new Date(Date.now() - 90 * 60_000).toISOString().replace(/\.\d+/, ''),
          },
        ],
      },
    },
  });
  await post('/api/v1/namespaces/terrarium-system/configmaps', {
    metadata: meta('applications'),
    data: { shop: 'https://10.0.0.1:9000' },
  });
  await post('/api/v1/namespaces/terrarium-system/secrets', {
    metadata: meta('credentials'),
    stringData: { adminPasswordHash: 'old', sessionKey: 'old', apiTokenHash: 'kept' },
  });
});

t.after(() => kube.stop());

t.test('kubectl: flags, exit codes and standard input are passed through; nothing is left behind', async (t) => {
  const before = kubeconfigs();
  const nodes = await run(['kubectl', 'get', 'nodes', '-o', 'jsonpath={.items[*].metadata.name}', '--context', 'test']);
  t.match(nodes, { code: 0, stdout: 'n1' }, nodes.stderr);
  t.match(await run(['kubectl', '-n', 'terrarium-system', 'get', 'configmap', 'applications', '-o', 'name']), {
    code: 0,
    stdout: 'configmap/applications\n',
  });
  t.match(await run(['kubectl', 'get', 'nodes', 'nope']), { code: 1, stderr: /"nope" not found/ });
  t.match(
    await run(
      ['kubectl', 'create', '-f', '-'],
      JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'typed', namespace: 'default' } }),
    ),
    { code: 0, stdout: 'configmap/typed created\n' },
  );
  t.match(await run(['kubectl', '--help']), { code: 0, stdout: /kubectl controls the Kubernetes cluster manager/ });
  t.match(
    await run(['kubectl', 'create', 'configmap', 'dashes', '--from-literal=a=b', '--', 'extra']),
    { code: 0, stdout: 'configmap/dashes created\n' },
    'a double dash too: without it there would be two names',
  );
  t.strictSame(kubeconfigs(), before, 'no kubeconfig stays in the temporary folder');
});

t.test('status names what is wrong by machine', async (t) => {
  const { code, stdout } = await run(['status', '--json']);
  t.equal(code, 1);
  const state = JSON.parse(stdout) as { problems: string[]; applications: unknown; nodes: unknown };
  t.match(state.problems, [
    /^n0 \(127\.0\.0\.9\): unreachable: API server and console do not answer \(the connection was refused\)$/,
    pattern(
      /^n1 \(127\.0\.0\.1\): the console does not answer: the connection was refused; /,
      /Kubernetes says NotReady since 9\d min \(Kubelet stopped posting node status\)$/,
    ),
    /^The cloud could not be asked: no console answers/,
  ]);
  t.strictSame(state.applications, { shop: ['https://10.0.0.1:9000'] });
  const text = (await run(['status'])).stdout;
  t.match(text, /n0 +127\.0\.0\.9 +no answer +no answer/);
  t.match(text, /n1 +127\.0\.0\.1 +ready +no answer/);
  t.match(text, /shop +https:\/\/10\.0\.0\.1:9000/);
});

t.test('a new password is taken, all else in the Secret stays', async (t) => {
  const password = await resetPassword(kube.client);
  const { data = {} } = await kube.client.get<SecretObject>('/api/v1/namespaces/terrarium-system/secrets/credentials');
  const value = (key: string): string => Buffer.from(data[key] ?? '', 'base64').toString('utf8');
  t.ok(password.length >= 16);
  t.equal(await verifyPassword(password, value('adminPasswordHash')), true);
  t.equal(value('apiTokenHash'), 'kept');
  t.not(value('sessionKey'), 'old');
});

t.test('without an API server the password stays, with a sentence', async (t) => {
  const client = createKubeClient({ server: 'https://127.0.0.9:1' });
  await t.rejects(resetPassword(client), {
    code: 'reset-failed',
    message: /was not changed: the Kubernetes API at .* cannot be reached/,
  });
  client.close();
});

t.end();
