import { access } from 'node:fs/promises';
import { RUN_DIR } from '../../cluster/paths.ts';
import { executableOf, unitOf, type Process } from './processes.ts';
import type { Question } from './question.ts';
import { namesIn } from './read.ts';

export interface ForeignProcess {
  name: string;
  pid: number;
  unit: string | null;
  executable: string | null;
}

export interface ForeignFacts {
  /** Container runtimes, kubelets and Kubernetes distributions that are not ours. */
  processes: ForeignProcess[];
  /** Unit files of such, also of those that are stopped. */
  units: string[];
  /** Paths that upstream hard-codes and that hold something. */
  paths: string[];
  /** Network managers, time keepers and others whose presence matters, by process name. */
  others: string[];
}

const NAMES = [
  'kubelet',
  'kube-apiserver',
  'kube-controller',
  'kube-scheduler',
  'kube-proxy',
  'etcd',
  'k3s',
  'k3s-server',
  'k3s-agent',
  'rke2',
  'k0s',
  'kubelite',
  'containerd',
  'dockerd',
  'crio',
  'cri-dockerd',
  'nomad',
  'microk8s',
  'flanneld',
  'calico-node',
  'cilium-agent',
];
const OTHERS = [
  'NetworkManager',
  'wickedd',
  'systemd-network',
  'nm-cloud-setup',
  'dhclient',
  'dhcpcd',
  'firewalld',
  'chronyd',
  'ntpd',
  'systemd-timesyn',
  'timesyncd',
  'unattended-upgr',
  'snapd',
  'packagekitd',
  'vmtoolsd',
  'systemd-resolve',
];
const UNITS = [
  'kubelet.service',
  'k3s.service',
  'k3s-agent.service',
  'rke2-server.service',
  'rke2-agent.service',
  'k0scontroller.service',
  'k0sworker.service',
  'snap.microk8s.daemon-kubelite.service',
  'docker.service',
  'containerd.service',
  'crio.service',
  'etcd.service',
  'gravity.service',
];
const UNIT_FOLDERS = [
  '/etc/systemd/system',
  '/usr/local/lib/systemd/system',
  '/usr/lib/systemd/system',
  '/lib/systemd/system',
  '/run/systemd/system',
];
/** Hard-coded by Kubernetes, containerd and runc: they cannot be moved below our own folders. */
export const FIXED_PATHS = [
  '/etc/kubernetes',
  '/var/lib/kubelet',
  '/var/lib/etcd',
  '/run/containerd',
  '/run/runc',
  '/var/run/netns',
  '/var/log/pods',
  '/var/log/containers',
  '/usr/libexec/kubernetes',
  '/etc/cni/net.d',
  '/var/lib/cni',
];

export async function gatherForeign(question: Question, processes: Process[]): Promise<ForeignFacts> {
  const suspects = processes.filter((p) => NAMES.includes(p.name));
  const [found, units, paths] = await Promise.all([
    Promise.all(
      suspects.map(async (p) => ({ process: p, executable: await executableOf(p.pid), unit: await unitOf(p.pid) })),
    ),
    unitFiles(),
    Promise.all(FIXED_PATHS.map(async (path): Promise<string[]> => ((await namesIn(path)).length > 0 ? [path] : []))),
  ]);
  const names = new Set(processes.map((p) => p.name));
  return {
    processes: found
      .filter((f) => !isOurs(f.process, f.executable, question))
      .map((f) => ({ name: f.process.name, pid: f.process.pid, unit: f.unit, executable: f.executable })),
    units,
    paths: paths.flat(),
    others: OTHERS.filter((o) => names.has(o)),
  };
}

/**
 * By where the program lies or which of our folders it works on: programs inside our containers have paths of their
 * own.
 */
function isOurs(process: Process, executable: string | null, question: Question): boolean {
  return (
    executable?.startsWith(`${question.prefix}/`) === true ||
    process.argv.some(
      (word) => word.includes(question.prefix) || word.includes(question.data) || word.includes(`${RUN_DIR}/`),
    )
  );
}

async function unitFiles(): Promise<string[]> {
  const found = await Promise.all(
    UNITS.flatMap((unit) =>
      UNIT_FOLDERS.map((folder) =>
        access(`${folder}/${unit}`).then(
          () => `${folder}/${unit}`,
          () => undefined,
        ),
      ),
    ),
  );
  // /lib is a link to /usr/lib on today's systems.
  return [...new Map(found.filter((f) => f !== undefined).map((f) => [f.replace(/^\/lib\//, '/usr/lib/'), f])).keys()];
}
