import { performance } from 'node:perf_hooks';
import { EXIT, Failure } from '../../src/errors.ts';
import { selfCommand } from '../../src/self.ts';
import { PORTS, PORT_NAMES } from '../cluster/ports.ts';
import {
  clusterPorts,
  DEFAULT_DATA,
  DEFAULT_PREFIX,
  defaultServiceRange,
  type ClusterFile,
  type HostTarget,
} from '../cluster/spec.ts';
import type { Host } from '../hosts/host.ts';
import type { Check, ClusterContext, Member, Operation } from './check.ts';
import type { Facts } from './facts/facts.ts';
import type { Pair } from './matrix/result.ts';
import { runMatrix } from './matrix/run.ts';
import type { Override } from './override.ts';
import { allChecks } from './registry.ts';
import { judge, type PreflightReport } from './report.ts';

export interface PreflightOptions {
  /** The command line of our own program on a host: what `stage` put there, or in development node and main.ts. */
  program?: (host: Host) => string[];
  operation?: Operation;
  signal?: AbortSignal | undefined;
  /**
   * Local file of the native helper (asset `bin/terrarium-probe`); without it packet size and TCP option are not tried.
   */
  helper?: string | undefined;
}

/** The program that `stage` put on a host. */
export function stagedProgram(staged: Map<Host, string>): (host: Host) => string[] {
  return (host) => {
    const path = staged.get(host);
    if (path === undefined) {
      throw new Error(`nothing is staged on ${host.name}`);
    }
    return [path];
  };
}

/**
 * Gathers facts on all hosts at once, tries the ways between them, and judges. Changes nothing.
 * @param hosts in the order of `targets`
 * @throws Failure only where a host cannot be asked, or where an override names no check; what checks find is in the
 *   report.
 */
export async function runPreflight(
  hosts: Host[],
  targets: HostTarget[],
  file: ClusterFile,
  options: PreflightOptions = {},
): Promise<PreflightReport> {
  const from = performance.now();
  const program = options.program ?? (() => selfCommand());
  const context = contextOf(file, targets);
  const checks = await allChecks();
  checkOverrides(file.preflight?.overrides ?? [], checks);
  const facts = await Promise.all(hosts.map((host) => askFacts(host, program(host), context, options.signal)));
  const members = hosts.map((host, i): Member => {
    const target = targets[i];
    const own = facts[i];
    if (target === undefined || own === undefined) {
      throw new Error('hosts and targets differ');
    }
    return {
      name: target.name ?? own.os.hostname.toLowerCase(),
      named: target.name !== undefined,
      address: target.address,
      role: target.role,
      facts: own,
      loginMs: host.loginMs,
    };
  });
  const pairs = await tryWays(hosts, members, program, context, options);
  const report = judge(checks, {
    members,
    context,
    pairs,
    overrides: file.preflight?.overrides ?? [],
    operation: options.operation ?? 'install',
  });
  return { ...report, ms: Math.round(performance.now() - from) };
}

/** @throws Failure `usage` for an override of a check that does not exist: a misspelt one must not seem to work. */
function checkOverrides(overrides: Override[], checks: Check[]): void {
  const unknown = overrides.find((o) => !checks.some((c) => c.code === o.check));
  if (unknown === undefined) {
    return;
  }
  throw new Failure('usage', `There is no check ${unknown.check} to ignore.`, {
    remedy: `The checks are: ${checks.map((c) => c.code).join(', ')}.`,
    exitCode: EXIT.usage,
  });
}

/** Two machines of one name cannot be told apart in the results; that check fails anyway. */
async function tryWays(
  hosts: Host[],
  members: Member[],
  program: (host: Host) => string[],
  context: ClusterContext,
  options: PreflightOptions,
): Promise<Pair[]> {
  if (hosts.length < 2 || new Set(members.map((m) => m.name)).size < members.length) {
    return [];
  }
  return await runMatrix(
    hosts.map((host, i) => ({ host, member: members[i] as Member, program: program(host) })),
    context.ports,
    { signal: options.signal, helper: options.helper },
  );
}

export function contextOf(file: ClusterFile, targets: HostTarget[]): ClusterContext {
  const family = targets.some((t) => t.address.includes(':')) ? 6 : 4;
  return {
    file,
    ports: clusterPorts(file),
    prefix: file.paths?.prefix ?? DEFAULT_PREFIX,
    data: file.paths?.data ?? DEFAULT_DATA,
    serviceRange: file.network?.serviceRange ?? defaultServiceRange(family),
    family,
  };
}

async function askFacts(
  host: Host,
  program: string[],
  context: ClusterContext,
  signal: AbortSignal | undefined,
): Promise<Facts> {
  const ports = PORT_NAMES.filter((n) => PORTS[n].protocol.startsWith('tcp')).map((n) => context.ports[n]);
  const result = await host.run(
    [...program, 'facts', '--prefix', context.prefix, '--data', context.data, '--ports', ports.join(',')],
    { timeoutMs: 30_000, signal },
  );
  try {
    if (result.exitCode === 0) {
      return JSON.parse(result.stdout) as Facts;
    }
  } catch {
    // Told below with what the machine said.
  }
  const said =
    (result.stderr.trim() === '' ? result.stdout : result.stderr).trim().split('\n').at(-1)?.slice(0, 300) ?? '';
  throw new Failure(
    'facts',
    `${host.name}: the facts about the machine could not be gathered: ` +
      `${said === '' ? `exit code ${result.exitCode}` : said}.`,
    { host: host.name, remedy: 'Check that programs of this kind run there (glibc 2.34 and libstdc++ are needed).' },
  );
}
