import { join } from 'node:path';
import { SSH_USER } from './names.ts';
import type { MachinePlan } from './plan.ts';

/** Paths in a lab's directory that its user needs. */
export function labPaths(dir: string): {
  key: string;
  clusterFile: string;
  sshConfig: string;
  knownHosts: string;
  logs: string;
} {
  return {
    key: join(dir, 'id_ed25519'),
    clusterFile: join(dir, 'cluster.yaml'),
    sshConfig: join(dir, 'ssh_config'),
    knownHosts: join(dir, 'known_hosts'),
    logs: join(dir, 'log'),
  };
}

/** The cluster.yaml that `terrarium install` takes; host names are left to the machines themselves. */
export function clusterYaml(machines: MachinePlan[], dir: string): string {
  const hosts = machines.map((m) => [
    `  # ${m.name}`,
    `  - address: '${m.address}'`,
    '    ssh:',
    `      address: '${m.address}'`,
    `      user: ${SSH_USER}`,
    `      key: ${labPaths(dir).key}`,
  ]);
  return [
    'apiVersion: terrarium/v1',
    'kind: Cluster',
    'name: lab',
    'ssh:',
    `  knownHosts: ${labPaths(dir).knownHosts}`,
    'hosts:',
    ...hosts.flat(),
    '',
  ].join('\n');
}

/** For `ssh -F DIR/ssh_config NAME`. */
export function sshConfig(machines: MachinePlan[], dir: string): string {
  const { key, knownHosts } = labPaths(dir);
  const common = [
    'Host *',
    `  User ${SSH_USER}`,
    `  IdentityFile ${key}`,
    '  IdentitiesOnly yes',
    `  UserKnownHostsFile ${knownHosts}`,
    '  StrictHostKeyChecking yes',
    '',
  ];
  return [
    ...machines.flatMap((m) => [
      `Host ${[...new Set([m.name, m.name.toLowerCase()])].join(' ')}`,
      `  HostName ${m.address}`,
    ]),
    ...common,
  ].join('\n');
}

export function knownHosts(keys: { machine: MachinePlan; publicKeys: string[] }[]): string {
  return keys
    .flatMap(({ machine, publicKeys }) =>
      publicKeys.map(
        (k) =>
          `${[machine.ipv4, machine.ipv6].filter((a) => a !== undefined).join(',')} ` +
          `${k.trim().split(' ').slice(0, 2).join(' ')}\n`,
      ),
    )
    .join('');
}
