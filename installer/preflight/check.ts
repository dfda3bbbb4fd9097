import type { Ports } from '../cluster/ports.ts';
import type { ClusterFile, Role } from '../cluster/spec.ts';
import type { Facts } from './facts/facts.ts';
import type { Pair } from './matrix/result.ts';

export type Severity = 'fail' | 'warn' | 'info';
export type Operation = 'install' | 'join' | 'upgrade';

/** One thing found: the cause in one line with its numbers, and what to do about it. */
export interface Finding {
  severity: Severity;
  message: string;
  remedy?: string;
  /** Id of the repair that `preflight --fix` makes (installer/preflight/fix.ts). */
  fixable?: 'swap' | 'inotify' | 'map-count';
}

/** What is known about the cluster to be, the same for all machines. */
export interface ClusterContext {
  file: Pick<ClusterFile, 'name'>;
  ports: Ports;
  prefix: string;
  data: string;
  serviceRange: string;
  family: 4 | 6;
}

/** One machine and what it is to become. */
export interface Member {
  /** Node name: as given, else the machine's host name in lower case. */
  name: string;
  /** A name was given in cluster.yaml. */
  named: boolean;
  address: string;
  role: Role;
  facts: Facts;
  /** How long the ssh login took; undefined for this very machine. */
  loginMs?: number | undefined;
}

interface CheckBase {
  /** Stable; equal to the file's name. */
  code: string;
  /** What is good about a machine that passes, for the table. */
  title: string;
  operations: Operation[];
}

export interface HostCheck extends CheckBase {
  scope: 'host';
  judge(member: Member, context: ClusterContext): Finding[];
}

export interface ClusterCheck extends CheckBase {
  scope: 'cluster';
  /** `host` of a finding: the member's name below which it is shown; none: the cluster's. */
  judge(members: Member[], context: ClusterContext, matrix: Pair[]): (Finding & { host?: string })[];
}

export type Check = HostCheck | ClusterCheck;
