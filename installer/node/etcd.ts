import { nodePaths } from '../cluster/paths.ts';
import { hostPort, type ClusterSpec, type NodeSpec } from '../cluster/spec.ts';
import { loopback } from './kubeadm-config.ts';
import { PKI_DIR } from './kubeadm.ts';
import { run } from './run.ts';

export interface EtcdMember {
  /** Hexadecimal. */
  id: string;
  /** Empty until the member has started once. */
  name: string;
  peerUrls: string[];
  learner: boolean;
}

function etcdctl(spec: ClusterSpec, ...args: string[]): [string, ...string[]] {
  const tls = ['--cacert', `${PKI_DIR}/etcd/ca.crt`, '--cert', `${PKI_DIR}/etcd/healthcheck-client.crt`, '--key', `${PKI_DIR}/etcd/healthcheck-client.key`];
  return [`${nodePaths(spec).bin}/etcdctl`, '--endpoints', hostPort(loopback(spec), spec.ports.etcdClient), ...tls, ...args];
}

/** etcd's members as the node's own member knows them. */
export async function etcdMembers(spec: ClusterSpec): Promise<EtcdMember[]> {
  const { stdout } = await run(etcdctl(spec, 'member', 'list', '-w', 'json'), { timeoutMs: 15_000 });
  const { members } = JSON.parse(stdout.replace(/"ID":(\d+)/g, '"ID":"$1"')) as { members: { ID: string; name?: string; peerURLs: string[]; isLearner?: boolean }[] };
  return members.map((m) => ({ id: BigInt(m.ID).toString(16), name: m.name ?? '', peerUrls: m.peerURLs, learner: m.isLearner === true }));
}

/** Whether the node is a full member (a learner does not vote). */
export async function promoted(spec: ClusterSpec, node: NodeSpec): Promise<boolean> {
  try {
    return (await etcdMembers(spec)).some((m) => m.name === node.name && !m.learner);
  } catch {
    return false;
  }
}
