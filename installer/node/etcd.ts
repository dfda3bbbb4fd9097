import { existsSync, rmSync } from 'node:fs';
import { hostPort } from '../../src/host-port.ts';
import { nodePaths } from '../cluster/paths.ts';
import { controlPlanes, type ClusterSpec, type NodeSpec } from '../cluster/spec.ts';
import { etcdUrl, loopback } from './kubeadm-config.ts';
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

/** etcdctl's answer as JSON, with the 64-bit ids kept whole. `endpoints` as `host:port`. */
async function etcdctl<T>(spec: ClusterSpec, endpoints: string[], ...args: string[]): Promise<T> {
  const tls = [
    '--cacert',
    `${PKI_DIR}/etcd/ca.crt`,
    '--cert',
    `${PKI_DIR}/etcd/healthcheck-client.crt`,
    '--key',
    `${PKI_DIR}/etcd/healthcheck-client.key`,
  ];
  const { stdout } = await run(
    [`${nodePaths(spec).bin}/etcdctl`, '--endpoints', endpoints.join(','), ...tls, ...args, '-w', 'json'],
    { timeoutMs: 15_000 },
  );
  return JSON.parse(stdout.replace(/"ID":(\d+)/g, '"ID":"$1"')) as T;
}

interface Members {
  members: { ID: string; name?: string; peerURLs: string[]; isLearner?: boolean }[];
}

function membersOf({ members }: Members): EtcdMember[] {
  return members.map((m) => ({
    id: BigInt(m.ID).toString(16),
    name: m.name ?? '',
    peerUrls: m.peerURLs,
    learner: m.isLearner === true,
  }));
}

const own = (spec: ClusterSpec): string[] => [hostPort(loopback(spec), spec.ports.etcdClient)];
const others = (spec: ClusterSpec, node: NodeSpec): string[] =>
  controlPlanes(spec)
    .filter((n) => n.name !== node.name)
    .map((n) => hostPort(n.address, spec.ports.etcdClient));

/** Whether the node is a full member (a learner does not vote), as its own member knows. */
export async function promoted(spec: ClusterSpec, node: NodeSpec): Promise<boolean> {
  try {
    return membersOf(await etcdctl<Members>(spec, own(spec), 'member', 'list')).some(
      (m) => m.name === node.name && !m.learner,
    );
  } catch {
    return false;
  }
}

export interface MembershipSteps {
  /** Ids of members that must go first. */
  remove: string[];
  /** Ids of learners of other nodes that need their vote first: etcd takes one learner at a time. */
  promote: string[];
  /** Data on this node is of a member that was removed: etcd would not start with it. */
  wipe: boolean;
  add: boolean;
}

/**
 * What makes the node a member of etcd, whatever a killed try has left; joins take turns, so no other learner is being
 * added.
 * A member that has run before but whose data is gone must not come back under its old identity: it would have
 * forgotten what it promised (https://etcd.io/docs/v3.6/op-guide/runtime-configuration/).
 */
export function membershipSteps(members: EtcdMember[], peerUrl: string, hasData: boolean): MembershipSteps {
  const mine = members.find((m) => m.peerUrls.includes(peerUrl));
  const learners = members.filter((m) => m !== mine && m.learner);
  const forgetful = mine !== undefined && mine.name !== '' && !hasData;
  const add = mine === undefined || forgetful;
  return {
    remove: [...(forgetful ? [mine.id] : []), ...(add ? learners.filter((m) => m.name === '').map((m) => m.id) : [])],
    promote: add ? learners.filter((m) => m.name !== '').map((m) => m.id) : [],
    wipe: mine === undefined && hasData,
    add,
  };
}

/**
 * Makes the node a member of etcd, as a learner, by way of the other members. @returns etcd's argument
 * `initial-cluster`.
 */
export async function addLearner(spec: ClusterSpec, node: NodeSpec, log: (line: string) => void): Promise<string> {
  const peerUrl = etcdUrl(node.address, spec.ports.etcdPeer);
  const endpoints = others(spec, node);
  const data = `${spec.data}/etcd/member`;
  const list = async (): Promise<EtcdMember[]> => membersOf(await etcdctl<Members>(spec, endpoints, 'member', 'list'));
  let members = await list();
  const steps = membershipSteps(members, peerUrl, existsSync(data));
  for (const id of steps.remove) {
    log(`removing member ${id} of etcd, which has never started or has lost its data`);
    await etcdctl(spec, endpoints, 'member', 'remove', id);
  }
  for (const id of steps.promote) {
    await etcdctl(spec, endpoints, 'member', 'promote', id);
  }
  if (steps.wipe) {
    log(`removing ${data}: it is of a member of etcd that was removed`);
    rmSync(data, { recursive: true, force: true });
  }
  if (steps.add) {
    await etcdctl(spec, endpoints, 'member', 'add', node.name, '--learner', `--peer-urls=${peerUrl}`);
    members = await list();
  }
  return members.flatMap((m) => m.peerUrls.map((url) => `${url === peerUrl ? node.name : m.name}=${url}`)).join(',');
}

/** Gives the node's member its vote; refused as long as it has not caught up. Nothing to do where it has one. */
export async function promote(spec: ClusterSpec, node: NodeSpec): Promise<void> {
  const endpoints = others(spec, node);
  const peerUrl = etcdUrl(node.address, spec.ports.etcdPeer);
  const mine = membersOf(await etcdctl<Members>(spec, endpoints, 'member', 'list')).find((m) =>
    m.peerUrls.includes(peerUrl),
  );
  if (mine?.learner === true) {
    await etcdctl(spec, endpoints, 'member', 'promote', mine.id);
  }
}
