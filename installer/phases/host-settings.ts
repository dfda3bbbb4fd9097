import { existsSync, rmSync } from 'node:fs';
import { nodePaths } from '../cluster/paths.ts';
import type { ClusterSpec } from '../cluster/spec.ts';
import { makeDir } from '../node/files.ts';
import { DIR, madeDirs, recordSysctl, recordHostChange, restoreSysctls } from '../node/host-changes.ts';
import { removeEmptyFolders } from '../node/remove.ts';
import { run } from '../node/run.ts';
import type { Phase } from '../plan/types.ts';

/**
 * What the kubelet sets by itself at its start (pkg/kubelet/cm/container_manager_linux.go): recorded before, so that
 * uninstall can put it back.
 */
const KUBELET_SYSCTLS = [
  'vm.overcommit_memory',
  'vm.panic_on_oom',
  'kernel.panic',
  'kernel.panic_on_oops',
  'kernel.keys.root_maxkeys',
  'kernel.keys.root_maxbytes',
];

/** Folders that upstream's programs hard-code; removed by uninstall where they were not there before. */
export const HARD_CODED_DIRS = [
  '/etc/kubernetes',
  '/var/lib/kubelet',
  '/var/log/pods',
  '/var/log/containers',
  '/run/containerd',
  '/var/run/netns',
  '/usr/libexec/kubernetes',
  '/etc/cni',
  '/opt/cni',
  '/var/lib/cni',
  '/etc/ssl',
  '/etc/ssl/certs',
];

function routeArgs(spec: ClusterSpec): [string, ...string[]] {
  return spec.family === 6 ? ['ip', '-6', 'route'] : ['ip', 'route'];
}

async function hasRoute(spec: ClusterSpec): Promise<boolean> {
  const { stdout } = await run([...routeArgs(spec), 'show', 'type', 'unreachable']);
  return stdout.includes(spec.serviceRange);
}

/**
 * Records what the cluster's programs will change on this machine, and keeps packets to the service range from ever
 * leaving it.
 */
export const phase: Phase = {
  title: 'record and prepare the machine',

  async isDone({ spec }) {
    return existsSync(nodePaths(spec).hostChanges) && (await hasRoute(spec));
  },

  async do({ spec }) {
    const file = nodePaths(spec).hostChanges;
    makeDir(spec.data);
    for (const dir of HARD_CODED_DIRS) {
      if (!existsSync(dir)) {
        recordHostChange(file, {
          id: `${DIR}${dir}`,
          what: `folder ${dir}`,
          path: dir,
          before: null,
          after: 'made by Kubernetes or the container runtime',
        });
      }
    }
    for (const name of KUBELET_SYSCTLS) {
      recordSysctl(file, name, 'set by the kubelet');
    }
    // The agent sets it at each of its starts too: this one is for the time before.
    if (!(await hasRoute(spec))) {
      await run([...routeArgs(spec), 'replace', 'unreachable', spec.serviceRange]);
    }
  },

  async undo({ spec }) {
    restoreSysctls(nodePaths(spec).hostChanges);
    if (await hasRoute(spec)) {
      await run([...routeArgs(spec), 'del', 'unreachable', spec.serviceRange]);
    }
    for (const dir of ['/run/terrarium']) {
      rmSync(dir, { recursive: true, force: true });
    }
    for (const dir of madeDirs(nodePaths(spec).hostChanges)) {
      removeEmptyFolders(dir);
    }
  },
};
