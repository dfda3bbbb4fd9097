import type { Test } from 'tap';
import { bundledVersions } from '../../../installer/node/component-versions.ts';
import { eventually, type Lab } from './lab.ts';

interface Meta {
  name: string;
  namespace?: string;
  uid: string;
}
interface Conditions {
  conditions?: { type: string; status: string }[];
}
export interface Pod {
  metadata: Meta;
  spec: { nodeName: string; hostNetwork?: boolean };
  status: Conditions & { phase: string };
}
export interface Node {
  metadata: Meta;
  status: Conditions & { nodeInfo: { kubeletVersion: string } };
}

export async function kubeList<T>(lab: Lab, ...what: string[]): Promise<T[]> {
  const { exitCode, stdout, stderr } = await lab.admin(['kubectl', 'get', ...what, '-o', 'json'], {
    timeoutMs: 60_000,
  });
  if (exitCode !== 0) {
    throw new Error(`kubectl get ${what.join(' ')}: ${stderr}`);
  }
  return (JSON.parse(stdout) as { items: T[] }).items;
}

interface StaticPod {
  metadata: { name: string; creationTimestamp: string };
  status: { conditions?: { type: string; lastTransitionTime: string }[] };
}

/** After so many seconds the kubelet shows a static pod to the API server by its own clock (syncFrequency: 60 s). */
const SYNC_SECONDS = 50;

/** Each static pod of a new cluster of one node is shown to the API server as soon as that is ready. */
export async function checkStaticPodsShown(t: Test, lab: Lab): Promise<void> {
  const pods = await kubeList<StaticPod>(lab, 'pods', '-n', 'kube-system', '-l', 'tier=control-plane');
  const api = pods.find((p) => p.metadata.name.startsWith('kube-apiserver-'));
  const ready = Date.parse(api?.status.conditions?.find((c) => c.type === 'Ready')?.lastTransitionTime ?? '');
  t.equal(pods.length, 4, 'API server, controller manager, scheduler, etcd');
  for (const { metadata } of pods) {
    const seconds = (Date.parse(metadata.creationTimestamp) - ready) / 1000;
    t.ok(seconds < SYNC_SECONDS, `${metadata.name} was shown ${seconds} s after the API server was ready`);
  }
}

export const isReady = (object: { status: Conditions }): boolean =>
  object.status.conditions?.some((c) => c.type === 'Ready' && c.status === 'True') === true;

/**
 * What every install must give: all nodes ready, every pod ready and on the host network, nothing of a pod network, a
 * query answered by all.
 */
export async function checkCluster(t: Test, lab: Lab): Promise<void> {
  const nodes = await eventually(
    () => kubeList<Node>(lab, 'nodes'),
    (list) => list.length === lab.machines.length && list.every(isReady),
    120_000,
  );
  t.equal(nodes.length, lab.machines.length, 'every machine is a node');
  const { kubernetes } = bundledVersions();
  for (const node of nodes) {
    t.ok(isReady(node), `${node.metadata.name} is ready`);
    t.equal(node.status.nodeInfo.kubeletVersion, kubernetes);
  }
  const pods = await eventually(
    () => kubeList<Pod>(lab, 'pods', '-A'),
    (list) => list.length >= lab.machines.length * 2 && list.every(isReady),
    180_000,
  );
  t.ok(pods.length >= lab.machines.length * 2, 'there are pods');
  for (const pod of pods) {
    t.ok(isReady(pod), `${pod.metadata.name} is ready`);
    t.equal(pod.spec.hostNetwork, true, `${pod.metadata.name} is on the host network`);
  }
  t.strictSame(
    pods.filter((p) => /kube-proxy|coredns|flannel|calico|cilium/.test(p.metadata.name)).map((p) => p.metadata.name),
    [],
    'no pod network',
  );
  for (const { name } of lab.machines) {
    const plugins = await lab.exec(
      name,
      'sh',
      '-c',
      'ls /opt/terrarium/current/cni; ls /opt/cni/bin /etc/cni/net.d 2>/dev/null || true',
    );
    t.equal(plugins.stdout.trim(), 'loopback', `no CNI plugin but loopback on ${name}`);
  }
  await checkQuery(
    t,
    lab,
    lab.machines.map((m) => m.name.toLowerCase()),
  );
}

/** A query over all satellites gives a row of each of these nodes. */
export async function checkQuery(t: Test, lab: Lab, nodes: string[]): Promise<void> {
  // A satellite that fails is named, too.
  const row = (node: string): string => `{"satellite":"${node}","row":`;
  const asked = await eventually(
    () => lab.admin(['query', 'select name, pid from processes where pid = 1', '--json'], { timeoutMs: 60_000 }),
    (ended) => nodes.every((n) => ended.stdout.includes(row(n))),
    120_000,
  );
  for (const node of nodes) {
    t.ok(asked.stdout.includes(row(node)), `the satellite on ${node} answers: ${asked.stdout}${asked.stderr}`);
  }
}
