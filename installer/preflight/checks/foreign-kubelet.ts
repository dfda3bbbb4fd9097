import type { HostCheck } from '../check.ts';
import { list } from '../format.ts';

const KUBERNETES = [
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
  'flanneld',
  'calico-node',
  'cilium-agent',
];

function removal(name: string): string {
  if (name.startsWith('k3s')) {
    return 'k3s-uninstall.sh';
  }
  if (name === 'rke2') {
    return 'rke2-uninstall.sh';
  }
  if (name === 'k0s') {
    return 'k0s stop; k0s reset';
  }
  if (name === 'kubelite') {
    return 'snap remove microk8s';
  }
  return 'kubeadm reset, then the packages';
}

export const check: HostCheck = {
  code: 'foreign-kubelet',
  title: 'no other Kubernetes is here',
  scope: 'host',
  operations: ['install', 'join'],
  judge({ facts }) {
    if (facts.own.node !== null) {
      return [];
    }
    const { processes, units, paths } = facts.foreign;
    const running = processes.filter((p) => KUBERNETES.includes(p.name));
    if (running.length > 0) {
      const first = running[0];
      return [
        {
          severity: 'fail',
          message:
            'Another Kubernetes runs here: ' +
            `${list([
              ...new Set(running.map((p) => `${p.name} (pid ` + `${p.pid}${p.unit === null ? '' : `, ${p.unit}`})`)),
            ])}.`,
          remedy:
            'Remove it by its own means ' +
            `(${first === undefined ? '' : removal(first.name)}), or use another machine.`,
        },
      ];
    }
    const found = units.filter((u) => !/\/(docker|containerd|crio)\.service$/.test(u));
    if (found.length > 0) {
      return [
        {
          severity: 'fail',
          message: `Another Kubernetes is installed here, though it does not run: ${list(found)}.`,
          remedy: 'Remove it by its own means, or use another machine.',
        },
      ];
    }
    const left = paths.filter((p) => p === '/etc/kubernetes' || p === '/var/lib/kubelet' || p === '/var/lib/etcd');
    if (left.length > 0) {
      return [
        {
          severity: 'fail',
          message: `Another Kubernetes left ${list(left)} here.`,
          remedy: 'If nothing of it is needed any more, remove these folders.',
        },
      ];
    }
    return [];
  },
};
