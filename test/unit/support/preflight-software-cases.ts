import type { Case } from './preflight.ts';

/** Checks of what else is installed, ours or somebody else's. */
export const SOFTWARE_CASES: Record<string, Case> = {
  'foreign-kubelet': {
    good: { foreign: { processes: [], units: [], paths: [], others: [] }, 'own.node': null },
    bad: [
      [
        { 'foreign.processes': [{ name: 'kubelet', pid: 9, unit: 'kubelet.service', executable: '/usr/bin/kubelet' }] },
        'fail',
        /kubelet \(pid 9, kubelet\.service\)/,
      ],
      [{ 'foreign.units': ['/etc/systemd/system/k3s.service'] }, 'fail', /k3s\.service/],
      [{ 'foreign.paths': ['/etc/kubernetes'] }, 'fail', /\/etc\/kubernetes/],
    ],
  },
  'foreign-runtime': {
    good: { foreign: { processes: [], units: [], paths: [], others: [] }, 'own.node': null },
    bad: [
      [
        { 'foreign.processes': [{ name: 'dockerd', pid: 9, unit: 'docker.service', executable: '/usr/bin/dockerd' }] },
        'warn',
        /dockerd/,
      ],
      [{ 'foreign.paths': ['/etc/cni/net.d'] }, 'warn', /cni/],
    ],
  },
  leftovers: {
    good: { 'network.interfaces': [], 'firewall.kubernetesChains': [], 'own.node': null },
    bad: [
      [{ 'network.interfaces': [{ name: 'cni0', mtu: 1500, mac: '', addresses: [] }] }, 'warn', /cni0/],
      [{ 'firewall.kubernetesChains': ['KUBE-SERVICES'] }, 'warn', /KUBE-SERVICES/],
    ],
  },
  'own-state': {
    good: { 'own.node': null, 'own.nodeBroken': false },
    bad: [
      [{ 'own.nodeBroken': true }, 'fail', /damaged/],
      [
        {
          'own.node': {
            clusterId: 'x',
            cluster: 'terrarium',
            name: 'n1',
            address: '192.0.2.1',
            role: 'worker',
            state: 'installing',
          },
        },
        'info',
        /taken up again/,
      ],
    ],
  },
};
