import { clusterPorts, defaultServiceRange } from '../../../installer/cluster/spec.ts';
import type { ClusterCheck, ClusterContext, Finding, HostCheck, Member } from '../../../installer/preflight/check.ts';
import type { Facts } from '../../../installer/preflight/facts/facts.ts';
import { gatherFacts } from '../../../installer/preflight/facts/gather.ts';
import { allChecks } from '../../../installer/preflight/registry.ts';

export const context: ClusterContext = {
  file: { name: 'terrarium' },
  ports: clusterPorts({ ports: undefined }),
  prefix: '/opt/terrarium',
  data: '/var/lib/terrarium',
  serviceRange: defaultServiceRange(4),
  family: 4,
};

/** Dotted path of a fact and its value. */
export type Change = Record<string, unknown>;

export interface Case {
  /** Makes any machine pass this check, whatever the machine is on which the test runs. */
  good?: Change;
  /** One fact changed each, what is found then. */
  bad: [Change, Finding['severity'], RegExp][];
  /** Changes of the member itself. */
  member?: Partial<Member>;
}

/** A kernel log that nothing is wrong with. */
export const LOG = { diskErrors: [], diskErrorCount: 0, pauses: [] };

/** A disk that nothing is wrong with. */
export const DISK = {
  mountPoint: '/',
  devices: ['dm-0', 'sda'],
  quotas: [],
  ext4Errors: 0,
  xfsFtype: null,
  thinPool: null,
};

/** The facts of the machine on which the test runs. */
export function realFacts(): Promise<Facts> {
  return gatherFacts(
    { prefix: context.prefix, data: context.data, ports: [6443] },
    { https_proxy: 'http://user:secret@proxy:3128' },
  );
}

/** A control plane with these facts. */
export function member(facts: Facts, more: Partial<Member> = {}): Member {
  return { name: 'n1', named: true, address: '192.0.2.1', role: 'control-plane', facts, ...more };
}

/** Changes facts in place; `\.` is a dot within a name. */
export function change(facts: Facts, changes: Change): Facts {
  for (const [path, value] of Object.entries(changes)) {
    const names = path.split(/(?<!\\)\./).map((n) => n.replaceAll('\\.', '.'));
    const last = names.pop() ?? '';
    let at = facts as unknown as Record<string, unknown>;
    for (const name of names) {
      at = at[name] as Record<string, unknown>;
    }
    if (!(last in at)) {
      throw new Error(`the gatherer tells no ${path}`);
    }
    at[last] = structuredClone(value);
  }
  return facts;
}

/** @throws Error where there is no such check of one machine. */
export async function hostCheck(code: string): Promise<HostCheck> {
  const check = (await allChecks()).find((c) => c.code === code);
  if (check?.scope !== 'host') {
    throw new Error(`no such check: ${code}`);
  }
  return check;
}

/** @throws Error where there is no such check of several machines. */
export async function clusterCheck(code: string): Promise<ClusterCheck> {
  const check = (await allChecks()).find((c) => c.code === code);
  if (check?.scope !== 'cluster') {
    throw new Error(`no such check: ${code}`);
  }
  return check;
}
