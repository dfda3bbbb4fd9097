import { existsSync, readdirSync, rmSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { nodePaths } from '../cluster/paths.ts';
import { PORTS, PORT_NAMES, type Ports } from '../cluster/ports.ts';
import { DEFAULT_PREFIX, defaultServiceRange, type ClusterSpec, type NodeSpec } from '../cluster/spec.ts';
import { readAgentConfig } from '../node/agent-config.ts';
import { restoreSysctls } from '../node/host-changes.ts';
import { readIdentity } from '../node/identity.ts';
import { removeTree } from '../node/remove.ts';
import { run } from '../node/run.ts';
import { loadPhase } from '../plan/load.ts';
import type { PhaseContext } from '../plan/types.ts';
import { COORDINATOR_UNIT, EXECUTOR_UNIT } from '../plan/units.ts';
import { undoFixes } from '../preflight/fixes.ts';

/** Reverse order of an install. What lives in etcd needs no undoing: it goes with etcd's data. */
const UNDO = ['stack-certs', 'kubelet', 'kube-pki', 'agent', 'images', 'runtime', 'release'] as const;

export interface UninstallOptions {
  data: string;
  /** Also the data of persistent volume claims. */
  withData: boolean;
  log(line: string): void;
}

export interface UninstallReport {
  /** False where there was nothing of ours. */
  found: boolean;
  /** Paths that stay, each with its reason. */
  left: { path: string; reason: string }[];
  /** Steps that failed; the others were done all the same. */
  failed: { step: string; message: string }[];
}

/** The cluster as far as this node's own disk tells: enough to take everything down with the API gone. */
function localSpec(data: string): { spec: ClusterSpec; node: NodeSpec } | undefined {
  const identity = readIdentity(data);
  if (identity === undefined) {
    return undefined;
  }
  const node: NodeSpec = { name: identity.name, address: identity.address, role: identity.role };
  const ports = Object.fromEntries(PORT_NAMES.map((n) => [n, PORTS[n].port])) as Ports;
  const family = identity.address.includes(':') ? 6 : 4;
  const spec: ClusterSpec = {
    id: identity.clusterId,
    name: identity.cluster,
    nodes: [node],
    family,
    serviceRange: defaultServiceRange(family),
    ports,
    prefix: identity.prefix,
    data: identity.data,
    consoleName: undefined,
    overrides: [],
  };
  try {
    const agent = readAgentConfig(data);
    return { node, spec: { ...spec, serviceRange: agent.serviceRange, ports: agent.ports } };
  } catch {
    return { spec, node };
  }
}

/** Removes every trace of Terrarium from this machine; can be repeated, and goes on past a step that fails. */
export async function uninstallNode({ data, withData, log }: UninstallOptions): Promise<UninstallReport> {
  const report: UninstallReport = { found: false, left: [], failed: [] };
  const attempt = async (step: string, undo: () => void | Promise<void>): Promise<void> => {
    try {
      await undo();
    } catch (error) {
      report.failed.push({ step, message: error instanceof Error ? error.message : String(error) });
    }
  };
  const local = localSpec(data);
  if (local === undefined) {
    const { hostChanges } = nodePaths({ prefix: DEFAULT_PREFIX, data });
    if (!existsSync(hostChanges)) {
      return report;
    }
    // `preflight --fix` was here, but no install.
    report.found = true;
    await attempt('kernel settings', () => restoreSysctls(hostChanges));
    await attempt('what preflight --fix changed', () => undoFixes(hostChanges));
    if (report.failed.length === 0) {
      removeFolder(data, [], report);
    }
    return report;
  }
  report.found = true;
  const { spec, node } = local;
  for (const unit of [COORDINATOR_UNIT, EXECUTOR_UNIT]) {
    await run(['systemctl', 'stop', unit], { accept: [0, 1, 3, 4, 5] });
    await run(['systemctl', 'reset-failed', unit], { accept: [0, 1, 3, 4, 5] });
  }
  const context: PhaseContext = {
    spec,
    node,
    signal: new AbortController().signal,
    log,
    waiting: () => undefined,
    progress: () => undefined,
  };
  for (const name of [...UNDO, 'host-settings']) {
    await attempt(name, async () => (await loadPhase(name)).undo(context));
  }
  await attempt('what preflight --fix changed', () => undoFixes(nodePaths(spec).hostChanges));
  // A failed step leaves node.json behind, so that the same command can try again.
  if (report.failed.length === 0) {
    removeState(spec, withData, report);
  }
  return report;
}

/** Removes a folder but for `keep`, which is data of volumes, and what is mounted below it. */
function removeFolder(folder: string, keep: string[], report: UninstallReport): void {
  for (const path of removeTree(folder, keep)) {
    report.left.push({
      path,
      reason: keep.includes(path)
        ? 'data of persistent volume claims; `terrarium uninstall --data` removes it'
        : 'another file system is mounted there',
    });
  }
}

function removeState(spec: ClusterSpec, withData: boolean, report: UninstallReport): void {
  const paths = nodePaths(spec);
  const volumes = existsSync(paths.volumes) && readdirSync(paths.volumes).length > 0;
  const keep = volumes && !withData ? [paths.volumes] : [];
  removeFolder(paths.data, keep, report);
  if (existsSync(paths.volumes) && readdirSync(paths.volumes).length === 0) {
    rmdirSync(paths.volumes);
    if (readdirSync(paths.data).length === 0) {
      rmdirSync(paths.data);
    }
  }
  rmSync(join('/run', 'terrarium'), { recursive: true, force: true });
}
