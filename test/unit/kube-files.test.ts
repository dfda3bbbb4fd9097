import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parseAllDocuments } from 'yaml';
import { baseFiles } from '../../installer/bundle/contents.ts';
import { PORTS } from '../../installer/cluster/ports.ts';
import { DEFAULT_DATA } from '../../installer/cluster/spec.ts';
import { CLOUD_UID, SATELLITE_UID } from '../../installer/node/stack-credentials.ts';
import { nodeInfo, podInfo } from '../../src/cloud/kubernetes.ts';
import { parseKubeconfig } from '../../src/kube/kubeconfig.ts';
import { renderManifest } from '../../src/kube/manifest.ts';

const base64 = (text: string): string => Buffer.from(text).toString('base64');

t.test('placeholders are filled, and one without a value is a failure', async (t) => {
  t.equal(
    renderManifest('port: ${PORT_CONSOLE} ${A}${A} $A ${lower}', { PORT_CONSOLE: 8443, A: 'x$&' }),
    'port: 8443 x$&x$& $A ${lower}',
  );
  t.throws(() => renderManifest('${MISSING}', {}), { code: 'bad-manifest', message: /MISSING/ });
});

t.test("a kubeconfig's current context", async (t) => {
  const text = `
apiVersion: v1
kind: Config
current-context: b
clusters: [{name: ca, cluster: {server: "https://a:6443"}},
  {name: cb, cluster: {server: "https://[::1]:7443/", certificate-authority-data: ${base64('CA')}}}]
contexts: [{name: a, context: {cluster: ca, user: u}}, {name: b, context: {cluster: cb, user: u}}]
users: [{name: u, user: {client-certificate-data: ${base64('CERT')}, client-key-data: ${base64('KEY')}}}]`;
  t.same(parseKubeconfig(text), { server: 'https://[::1]:7443', ca: 'CA', cert: 'CERT', key: 'KEY' });
  t.throws(() => parseKubeconfig('a: 1'), { code: 'bad-kubeconfig' });
  t.throws(() => parseKubeconfig(text.replace('cluster: cb', 'cluster: cc')), { code: 'bad-kubeconfig' });
});

t.test('a node whose kubelet has fallen silent is not ready, and says why', async (t) => {
  const info = nodeInfo({
    metadata: { name: 'n3', labels: { 'node-role.kubernetes.io/control-plane': '' } },
    status: {
      addresses: [
        { type: 'Hostname', address: 'n3' },
        { type: 'InternalIP', address: '10.0.0.3' },
      ],
      conditions: [{ type: 'Ready', status: 'Unknown', message: 'Kubelet stopped posting node status.' }],
    },
  });
  t.match(info, {
    ready: false,
    reason: 'Kubelet stopped posting node status.',
    role: 'control-plane',
    address: '10.0.0.3',
  });
});

t.test('a pod that waits says what for', async (t) => {
  const info = podInfo({
    metadata: { name: 'p', namespace: 'x' },
    spec: { hostNetwork: true, nodeName: 'n1' },
    status: {
      phase: 'Pending',
      conditions: [{ type: 'Ready', status: 'False', reason: 'ContainersNotReady' }],
      containerStatuses: [
        {
          name: 'c',
          ready: false,
          restartCount: 2,
          state: { waiting: { reason: 'ErrImageNeverPull', message: 'Container image "x" is not present' } },
        },
      ],
    },
  });
  t.match(info, {
    ready: false,
    reason: 'Container image "x" is not present',
    restarts: 2,
    hostNetwork: true,
    node: 'n1',
  });
});

interface Workload {
  kind: string;
  metadata: { name: string };
  rules?: { resources: string[]; verbs: string[]; resourceNames?: string[] }[];
  spec?: {
    template?: {
      spec: {
        hostNetwork: boolean;
        automountServiceAccountToken: boolean;
        securityContext: { runAsNonRoot: boolean };
        containers: { image: string; imagePullPolicy: string; securityContext: Record<string, unknown> }[];
      };
    };
  };
}

t.test('both users of the stack are known in its image', async (t) => {
  const content = (path: string): string => {
    const file = baseFiles([]).find((f) => f.path === path);
    return file !== undefined && 'content' in file ? String(file.content) : '';
  };
  for (const id of [CLOUD_UID, SATELLITE_UID]) {
    t.match(content('etc/passwd'), new RegExp(`^[a-z]+:x:${id}:${id}:`, 'm'));
    t.match(content('etc/group'), new RegExp(`^[a-z]+:x:${id}:$`, 'm'));
  }
});

t.test('the manifests of the stack', async (t) => {
  const ports = Object.fromEntries(
    Object.entries(PORTS).map(([n, p]) => [`PORT_${n.replace(/[A-Z]/g, (c) => `_${c}`).toUpperCase()}`, p.port]),
  );
  const values = {
    ...ports,
    VERSION: '0.1.0',
    DATA: DEFAULT_DATA,
    IMAGE: 'terrarium.local/terrarium:0.1.0',
    CLOUD_UID: 65500,
    SATELLITE_UID: 65501,
    LOOPBACK: '127.0.0.1',
  };
  const files = readdirSync('manifests').filter((f) => f.endsWith('.yaml'));
  const objects = files.flatMap((f) =>
    parseAllDocuments(renderManifest(readFileSync(join('manifests', f), 'utf8'), values)).map((d) => {
      t.same(d.errors, [], f);
      return d.toJS() as Workload;
    }),
  );
  t.match(
    objects.find((o) => o.kind === 'StorageClass'),
    { reclaimPolicy: 'Retain' },
    'as the volumes that the agent makes',
  );
  const sets = objects.filter((o) => o.kind === 'DaemonSet');
  t.same(sets.map((s) => s.metadata.name).sort(), ['cloud', 'satellite']);
  for (const { metadata, spec } of sets) {
    const pod = spec?.template?.spec;
    const container = pod?.containers[0];
    t.match(pod, { hostNetwork: true, securityContext: { runAsNonRoot: true } }, metadata.name);
    t.match(
      container,
      {
        image: values.IMAGE,
        imagePullPolicy: 'Never',
        securityContext: {
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ['ALL'] },
        },
      },
      metadata.name,
    );
  }
  const satellite = objects
    .filter((o) => o.metadata.name.endsWith('satellite') && o.rules !== undefined)
    .flatMap((o) => o.rules ?? []);
  t.match(satellite, [{ resources: ['pods', 'events'], verbs: ['list', 'watch'] }], 'a satellite sees pods and events');
  t.equal(satellite.length, 1, 'and nothing else');
  const rules = objects
    .filter((o) => o.metadata.name.endsWith('cloud') && o.rules !== undefined)
    .flatMap((o) => o.rules ?? []);
  t.same([...new Set(rules.flatMap((r) => r.verbs))].sort(), ['get', 'list', 'watch'], 'the cloud only reads');
  for (const rule of rules) {
    if (rule.resources.includes('secrets')) {
      t.same(rule.resourceNames, ['credentials'], 'and one Secret only');
    }
  }
});
