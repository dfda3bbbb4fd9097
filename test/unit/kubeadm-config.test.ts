import t from 'tap';
import { parse, parseAllDocuments } from 'yaml';
import type { ClusterSpec, NodeSpec } from '../../installer/cluster/spec.ts';
import { versionsOf } from '../../installer/node/component-versions.ts';
import { kubeadmConfig } from '../../installer/node/kubeadm-config.ts';
import { staticPodPatches } from '../../installer/node/kubernetes/static-pod-patches.ts';
import { testSpec } from '../fixtures/spec.ts';

const VERSIONS = { kubernetes: 'v1.35.9', etcdTag: '3.5.1-0' };

interface Doc {
  kind: string;
  [key: string]: unknown;
}

const node = (spec: ClusterSpec, index: number): NodeSpec => spec.nodes[index] as NodeSpec;
const documents = (text: string): Doc[] => parseAllDocuments(text).map((d) => d.toJS() as Doc);

t.test('no machine of the cluster is the API endpoint', async (t) => {
  const spec = testSpec(3);
  for (const node of spec.nodes) {
    const cluster = documents(kubeadmConfig(spec, node, { cgroupV1: false }, VERSIONS)).find(
      (d) => d.kind === 'ClusterConfiguration',
    );
    t.equal(cluster?.['controlPlaneEndpoint'], '127.0.0.1:7443');
    const sans = (cluster?.['apiServer'] as { certSANs: string[] } | undefined)?.certSANs ?? [];
    for (const n of spec.nodes) {
      t.ok(sans.includes(n.address), `certificate names ${n.address}`);
    }
    t.ok(sans.includes('127.0.0.1') && sans.includes('::1'));
  }
});

t.test('but for etcd, the cluster configuration is the same on every node', async (t) => {
  const spec = testSpec(3);
  const texts = spec.nodes.map((n) =>
    JSON.stringify({
      ...documents(kubeadmConfig(spec, n, { cgroupV1: true }, VERSIONS)).find((d) => d.kind === 'ClusterConfiguration'),
      etcd: null,
    }),
  );
  t.equal(new Set(texts).size, 1);
});

t.test('IPv6', async (t) => {
  const spec = testSpec(3, 6);
  const [init, cluster] = documents(kubeadmConfig(spec, node(spec, 0), { cgroupV1: false }, VERSIONS));
  t.equal(cluster?.['controlPlaneEndpoint'], '[::1]:7443');
  t.match(init?.['localAPIEndpoint'], { advertiseAddress: 'fd77::11' });
});

t.test('the cgroup driver follows the host', async (t) => {
  const spec = testSpec(1);
  const driver = (v1: boolean): unknown =>
    documents(kubeadmConfig(spec, node(spec, 0), { cgroupV1: v1 }, VERSIONS)).find(
      (d) => d.kind === 'KubeletConfiguration',
    )?.['cgroupDriver'];
  t.equal(driver(true), 'cgroupfs');
  t.equal(driver(false), 'systemd');
});

t.test('etcd listens where cluster.yaml says, and the API server finds it there', async (t) => {
  const spec = testSpec(3);
  spec.ports = { ...spec.ports, etcdClient: 12379, etcdPeer: 12380, etcdMetrics: 12381 };
  const cluster = documents(
    kubeadmConfig(
      spec,
      node(spec, 1),
      { cgroupV1: false },
      VERSIONS,
      'a=https://192.0.2.1:12380,b=https://192.0.2.2:12380',
    ),
  ).find((d) => d.kind === 'ClusterConfiguration') as unknown as {
    etcd: { local: { extraArgs: { name: string; value: string }[] } };
    apiServer: { extraArgs: { name: string; value: string }[] };
  };
  const args = Object.fromEntries(cluster.etcd.local.extraArgs.map((a) => [a.name, a.value]));
  const { address } = node(spec, 1);
  t.strictSame(args, {
    'listen-client-urls': `https://127.0.0.1:12379,https://${address}:12379`,
    'advertise-client-urls': `https://${address}:12379`,
    'listen-peer-urls': `https://${address}:12380`,
    'initial-advertise-peer-urls': `https://${address}:12380`,
    'listen-metrics-urls': 'http://127.0.0.1:12381',
    'initial-cluster': 'a=https://192.0.2.1:12380,b=https://192.0.2.2:12380',
    'initial-cluster-state': 'existing',
  });
  t.strictSame(
    cluster.apiServer.extraArgs.filter((a) => a.name === 'etcd-servers'),
    [{ name: 'etcd-servers', value: 'https://127.0.0.1:12379' }],
  );
});

t.test('the line of Kubernetes is that of the bundle', async (t) => {
  const line = (minor: number): string[] => [
    `registry.k8s.io/kube-apiserver:v1.${minor}.2`,
    'registry.k8s.io/etcd:3.6.16-0',
    'registry.k8s.io/pause:3.10.2',
    'vendor.example/etcd:9',
  ];
  t.strictSame(versionsOf(line(35)), {
    kubernetes: 'v1.35.2',
    etcdTag: '3.6.16-0',
    pauseImage: 'registry.k8s.io/pause:3.10.2',
  });
  const spec = testSpec(1);
  const cluster = documents(kubeadmConfig(spec, node(spec, 0), { cgroupV1: false }, versionsOf(line(35)))).find(
    (d) => d.kind === 'ClusterConfiguration',
  );
  t.match(cluster, { kubernetesVersion: 'v1.35.2', etcd: { local: { imageTag: '3.6.16-0' } } });
  t.throws(() => versionsOf(line(36).slice(1)), { code: 'image-missing' });
});

t.test('a worker has the CA, but kubeadm does not take it for an external one', async (t) => {
  const spec = testSpec(3, 4, 1);
  const docs = documents(kubeadmConfig(spec, node(spec, 3), { cgroupV1: false }, VERSIONS));
  t.match(
    docs.find((d) => d.kind === 'KubeletConfiguration'),
    { authentication: { x509: { clientCAFile: '/etc/kubernetes/pki/ca.crt' } } },
  );
  t.not(docs.find((d) => d.kind === 'ClusterConfiguration')?.['certificatesDir'], '/etc/kubernetes/pki');
  t.equal(
    documents(kubeadmConfig(spec, node(spec, 0), { cgroupV1: false }, VERSIONS)).find(
      (d) => d.kind === 'ClusterConfiguration',
    )?.['certificatesDir'],
    undefined,
  );
});

t.test('the kubelet probes each static pod every second, as long as kubeadm would have waited', async (t) => {
  const spec = testSpec(3);
  for (const planned of spec.nodes) {
    const [init] = documents(kubeadmConfig(spec, planned, { cgroupV1: false }, VERSIONS));
    t.match(init?.['patches'], { directory: `${spec.data}/kubeadm-patches` });
  }
  const pods = ['etcd', 'kube-apiserver', 'kube-controller-manager', 'kube-scheduler'];
  const patches = staticPodPatches();
  t.strictSame(Object.keys(patches).sort(), pods.map((name) => `${name}+strategic.yaml`).sort());
  for (const name of pods) {
    const startupProbe = { initialDelaySeconds: 1, periodSeconds: 1, failureThreshold: 720 };
    t.strictSame(parse(patches[`${name}+strategic.yaml`] ?? ''), { spec: { containers: [{ name, startupProbe }] } });
  }
});
