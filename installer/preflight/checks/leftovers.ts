import type { HostCheck } from '../check.ts';
import { list } from '../format.ts';

export const check: HostCheck = {
  code: 'leftovers',
  title: 'no network of another Kubernetes is left',
  scope: 'host',
  operations: ['install', 'join'],
  judge({ facts }) {
    if (facts.own.node !== null) {
      return [];
    }
    const devices = facts.network.interfaces
      .map((i) => i.name)
      .filter((n) => /^(cni\d|flannel|cali|cilium|vxlan\.calico|kube-|weave|nodelocaldns|lxc\d)/.test(n));
    const chains = facts.firewall.kubernetesChains;
    if (devices.length + chains.length === 0) {
      return [];
    }
    const what = [
      ...(devices.length === 0 ? [] : [`the interfaces ${list(devices)}`]),
      ...(chains.length === 0 ? [] : [`${chains.length} firewall chains (${list(chains.slice(0, 3))})`]),
    ];
    return [
      {
        severity: 'warn',
        message: `Another Kubernetes left ${list(what)}, which may divert packets.`,
        remedy: 'Remove them, most simply by a reboot once that Kubernetes is uninstalled.',
      },
    ];
  },
};
