import type { Case } from './preflight.ts';

/** Checks of names, addresses, ports and firewall. */
export const NETWORK_CASES: Record<string, Case> = {
  localhost: {
    good: {
      'network.hostsFile': true,
      'network.localhost': ['127.0.0.1', '::1'],
      'network.nameSources': ['files', 'dns'],
    },
    bad: [
      [{ 'network.nameSources': ['dns', 'files'] }, 'warn', /before \/etc\/hosts/],
      [{ 'network.nameSources': ['dns'] }, 'warn', /before/],
      [{ 'network.localhost': ['10.0.0.1'] }, 'fail', /10\.0\.0\.1/],
      [{ 'network.localhost': [] }, 'warn', /does not name/],
      [{ 'network.hostsFile': false }, 'fail', /no \/etc\/hosts/],
    ],
  },
  resolver: {
    good: { 'network.nameservers': ['192.0.2.53'], 'network.searchDomains': [] },
    bad: [
      [{ 'network.nameservers': ['192.0.2.1', '192.0.2.2', '192.0.2.3', '192.0.2.4'] }, 'warn', /4 servers/],
      [{ 'network.searchDomains': ['a', 'b', 'c', 'd', 'e', 'f', 'g'] }, 'warn', /7 search/],
      [{ 'network.nameservers': ['127.0.0.53'] }, 'info', /127\.0\.0\.53/],
    ],
  },
  ipv6: {
    good: { 'kernel.ipv6': true, 'limits.sysctl.net\\.ipv6\\.conf\\.all\\.disable_ipv6': '0' },
    bad: [[{ 'kernel.ipv6': false }, 'info', /switched off/]],
  },
  'service-range': {
    good: { 'network.routes': [], 'network.nameservers': [] },
    bad: [
      [{ 'network.routes': [{ destination: '240.96.0.0/24', device: 'eth1' }] }, 'fail', /eth1/],
      [{ 'network.nameservers': ['240.96.0.10'] }, 'fail', /240\.96\.0\.10/],
    ],
  },
  'port-taken': {
    good: { listeners: [], 'own.node': null },
    bad: [
      [
        {
          listeners: [
            {
              port: 6443,
              address: '0.0.0.0',
              pid: 77,
              command: 'haproxy',
              unit: 'haproxy.service',
              executable: '/usr/sbin/haproxy',
            },
          ],
        },
        'fail',
        /6443 .* haproxy \(pid 77, haproxy\.service\)/,
      ],
      [
        {
          listeners: [
            { port: 2380, address: '::', pid: 5, command: 'etcd', unit: 'etcd.service', executable: '/usr/bin/etcd' },
          ],
        },
        'fail',
        /2380 .*taken by etcd/,
      ],
      [
        { listeners: [{ port: 7444, address: '::', pid: null, command: null, unit: null, executable: null }] },
        'fail',
        /cannot be seen/,
      ],
    ],
  },
  'ephemeral-ports': {
    good: {
      'limits.sysctl.net\\.ipv4\\.ip_local_port_range': '1024\t60999',
      'limits.sysctl.net\\.ipv4\\.ip_local_reserved_ports': '1024-7444,7445,7446-32767',
    },
    bad: [
      [
        { 'limits.sysctl.net\\.ipv4\\.ip_local_reserved_ports': '1024-7444,7446-32767' },
        'warn',
        /the port 7445 \(executor\):/,
      ],
      [{ 'limits.sysctl.net\\.ipv4\\.ip_local_reserved_ports': '' }, 'warn', /7445 \(executor\)/],
    ],
  },
  firewall: {
    good: { firewall: { firewalld: false, ufw: false, inputChains: [], kubernetesChains: [], legacyTables: [] } },
    bad: [
      [{ 'firewall.firewalld': true }, 'warn', /firewalld/],
      [{ 'firewall.ufw': true }, 'warn', /ufw/],
      [
        { 'firewall.inputChains': [{ table: 'inet f', chain: 'input', policy: 'drop', rules: 3 }] },
        'warn',
        /inet f input/,
      ],
    ],
  },
  'network-manager': {
    good: { 'foreign.others': [] },
    bad: [[{ 'foreign.others': ['nm-cloud-setup'] }, 'warn', /nm-cloud-setup/]],
  },
  proxy: {
    good: { 'limits.proxies': [] },
    bad: [
      [
        { 'limits.proxies': [{ where: '/etc/environment', variable: 'https_proxy', value: 'http://proxy:3128' }] },
        'warn',
        /https_proxy in \/etc\/environment/,
      ],
    ],
  },
  'dns-wildcard': {
    good: { 'dns.wildcards': [] },
    bad: [[{ 'dns.wildcards': ['example.org'] }, 'warn', /example\.org/]],
  },
  'dns-localhost': {
    good: { 'dns.localhosts': [], 'network.localhost': ['127.0.0.1'] },
    bad: [
      [{ 'dns.localhosts': [{ domain: 'example.org', address: '198.51.100.1' }] }, 'warn', /198\.51\.100\.1/],
      [
        { 'dns.localhosts': [{ domain: 'example.org', address: '198.51.100.1' }], 'network.localhost': [] },
        'fail',
        /localhost\.example\.org/,
      ],
    ],
  },
};
