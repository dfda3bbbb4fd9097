import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import t from 'tap';
import { parseAllDocuments } from 'yaml';
import { ENROLMENT_PATHS } from '../../src/cloud/api-paths.ts';
import type { ManifestReply } from '../../src/cloud/satellites-api.ts';
import { kubeApi, type KubeApi } from '../support/kube-api.ts';
import { API_TOKEN, call, localClouds, type Answer, type LocalClouds, type LocalNode } from '../support/local-cloud.ts';

/** The YAML for another cluster: taken by a real API server, and what it starts done by hand. */
const node: LocalNode = { name: 'n1', address: '127.0.0.1' };
const dir = mkdtempSync(join(tmpdir(), 'terrarium-manifest-'));
let clouds: LocalClouds;
let kube: KubeApi;

t.before(async () => {
  // One after the other: the ports that the one has found free are taken before the other looks.
  kube = await kubeApi();
  clouds = await localClouds([node]);
  await clouds.start(node);
});
t.teardown(async () => {
  await Promise.all([kube.stop(), clouds.stop()]);
  rmSync(dir, { recursive: true });
});

const ask = (method: string, path: string, body?: unknown): Promise<Answer> =>
  call(clouds, node, path, {
    method,
    headers: { authorization: `Bearer ${API_TOKEN}` },
    ...(body === undefined ? {} : { body }),
  });

interface Done {
  exitCode: number | undefined;
  stdout: string;
  stderr: string;
}
async function run(program: string, args: string[], input = ''): Promise<Done> {
  const { exitCode, stdout, stderr } = await execa(program, args, { reject: false, env: { HOME: dir }, input });
  return { exitCode, stdout, stderr };
}

function kubectl(args: string[], input?: string): Promise<Done> {
  const file = (name: string, content: string): string => {
    writeFileSync(join(dir, name), content, { mode: 0o600 });
    return join(dir, name);
  };
  const access = [
    '--server',
    `https://127.0.0.1:${kube.port}`,
    '--certificate-authority',
    file('ca', kube.authority.cert),
    '--client-certificate',
    file('cert', kube.admin.cert),
    '--client-key',
    file('key', kube.admin.key),
  ];
  return run(join(kube.root, 'bin/kubectl'), [...access, ...args], input);
}

t.test('another cluster takes it, and what it starts enrols once', { timeout: 300_000 }, async (t) => {
  const answer = await ask('POST', ENROLMENT_PATHS.manifests, {
    id: 'other.cluster',
    namespace: 'far',
    storage: '2Gi',
    tags: { kind: 'cluster' },
    image: 'registry.example:5000/terrarium:1',
  });
  t.equal(answer.status, 201, answer.body);
  const { manifest } = JSON.parse(answer.body) as ManifestReply;
  t.same(
    parseAllDocuments(manifest).map((d) => (d.toJS() as { kind: string }).kind),
    [
      'Namespace',
      'ServiceAccount',
      'ClusterRole',
      'ClusterRoleBinding',
      'Secret',
      'PersistentVolumeClaim',
      'Deployment',
    ],
  );
  const applied = await kubectl(['apply', '--validate=strict', '-f', '-'], manifest);
  t.equal(applied.exitCode, 0, applied.stderr);
  t.equal(applied.stdout.match(/ created$/gm)?.length, 7, applied.stdout);
  const again = await kubectl(['apply', '--validate=strict', '-f', '-'], manifest);
  t.equal(again.exitCode, 0, again.stderr);
  t.equal(again.stdout.match(/ unchanged$/gm)?.length, 7, again.stdout);
  const wrong = await kubectl(
    ['apply', '--validate=strict', '-f', '-'],
    manifest.replace('readOnlyRootFilesystem', 'readOnlyRoot'),
  );
  t.match(wrong, { exitCode: 1, stderr: /unknown field/ }, 'an unknown field would have been told');

  const deployment = JSON.parse(
    (await kubectl(['-n', 'far', 'get', 'deployment', 'terrarium-satellite', '-o', 'json'])).stdout,
  ) as {
    spec: {
      template: {
        spec: {
          securityContext: object;
          initContainers: { command: string[]; securityContext: object }[];
          containers: { image: string; command: string[] }[];
        };
      };
    };
  };
  const { spec } = deployment.spec.template;
  t.match(spec, {
    securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
    containers: [
      {
        image: 'registry.example:5000/terrarium:1',
        command: ['/usr/local/bin/terrarium', 'satellite'],
        securityContext: { capabilities: { drop: ['ALL'] }, readOnlyRootFilesystem: true },
      },
    ],
  });
  const secret = JSON.parse(
    (await kubectl(['-n', 'far', 'get', 'secret', 'terrarium-satellite', '-o', 'json'])).stdout,
  ) as { data: { token: string } };
  mkdirSync(join(dir, 'token'));
  writeFileSync(join(dir, 'token/token'), Buffer.from(secret.data.token, 'base64'));
  const [, ...args] = spec.initContainers[0]?.command ?? [];
  const enrol = (): Promise<Done> =>
    run(process.execPath, [
      'src/main.ts',
      ...args.map((a) =>
        a.replace('/etc/terrarium-token', join(dir, 'token')).replace('/var/lib/terrarium', join(dir, 'data')),
      ),
    ]);
  t.match(await enrol(), { exitCode: 0, stdout: /^other\.cluster has enrolled/ });
  t.match(await enrol(), { exitCode: 0, stdout: /has enrolled already/ }, 'at its next start');
  t.match(JSON.parse((await ask('GET', '/api/v1/satellites/other.cluster')).body), {
    state: 'enrolled',
    tags: { kind: 'cluster' },
  });
});
