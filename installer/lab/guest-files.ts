import { GUEST_INTERFACE, SSH_USER } from './names.ts';
import { BRIDGE_IPV4, BRIDGE_IPV6, IPV4_PREFIX, IPV6_PREFIX, mtus, type LabOptions, type MachinePlan } from './plan.ts';

/** A file as it is written into a machine's root before its first boot. */
export interface GuestFile {
  path: string;
  mode: number;
  content: string;
}

export interface MachineSecrets {
  machineId: string;
  /** The lab's public key, one line. */
  publicKey: string;
}

/** systemd-networkd's file for the machine's only interface: static, nothing learnt from the network. */
export function networkFile(machine: MachinePlan, options: LabOptions): string {
  const addresses = [
    ...(machine.ipv4 === undefined ? [] : [`[Address]\nAddress=${machine.ipv4}/${IPV4_PREFIX}`]),
    `[Address]\nAddress=${machine.ipv6}/${IPV6_PREFIX}\nDuplicateAddressDetection=none`,
  ];
  const routes = options.route
    ? [...(machine.ipv4 === undefined ? [] : [BRIDGE_IPV4]), BRIDGE_IPV6].map(
        (gateway) => `[Route]\nGateway=${gateway}`,
      )
    : [];
  return [
    `[Match]\nName=${GUEST_INTERFACE}`,
    `[Link]\nMTUBytes=${mtus(options).guest}`,
    '[Network]\nIPv6AcceptRA=no\nLLMNR=no\nMulticastDNS=no',
    ...addresses,
    ...routes,
    '',
  ].join('\n\n');
}

/** As Debian's installer leaves it: the peers are not in it. */
export function hostsFile(name: string): string {
  return `127.0.0.1\tlocalhost
127.0.1.1\t${name}

# The following lines are desirable for IPv6 capable hosts
::1     localhost ip6-localhost ip6-loopback
ff02::1 ip6-allnodes
ff02::2 ip6-allrouters
`;
}

export function resolvConf(options: LabOptions): string {
  if (!options.dns) {
    return '';
  }
  return `nameserver ${options.ipv6Only ? BRIDGE_IPV6 : BRIDGE_IPV4}\n`;
}

/** What makes one machine different from the base root. */
export function guestFiles(machine: MachinePlan, options: LabOptions, secrets: MachineSecrets): GuestFile[] {
  const files: GuestFile[] = [
    { path: '/etc/hostname', mode: 0o644, content: `${machine.name}\n` },
    { path: '/etc/hosts', mode: 0o644, content: hostsFile(machine.name) },
    { path: '/etc/machine-id', mode: 0o444, content: `${secrets.machineId}\n` },
    { path: '/etc/resolv.conf', mode: 0o644, content: resolvConf(options) },
    { path: `/etc/systemd/network/10-${GUEST_INTERFACE}.network`, mode: 0o644, content: networkFile(machine, options) },
    { path: `/home/${SSH_USER}/.ssh/authorized_keys`, mode: 0o600, content: `${secrets.publicKey.trim()}\n` },
  ];
  if (options.umask !== undefined) {
    const umask = options.umask.padStart(4, '0');
    files.push(
      { path: '/etc/profile.d/umask.sh', mode: 0o644, content: `umask ${umask}\n` },
      { path: '/etc/sudoers.d/umask', mode: 0o440, content: `Defaults umask=${umask}, umask_override\n` },
    );
  }
  return files;
}

/** The line that gives every login its umask, for PAM's common-session files; '' where the default stays. */
export function pamUmaskLine(options: Pick<LabOptions, 'umask'>): string {
  return options.umask === undefined ? '' : `session optional pam_umask.so umask=${options.umask.padStart(4, '0')}\n`;
}

/** dnsmasq's configuration: knows the machines, answers NXDOMAIN for every other name, asks nobody. */
export function dnsmasqConf(machines: MachinePlan[]): string {
  return [
    'interface=trm0',
    'bind-interfaces',
    'except-interface=lo',
    'user=root',
    'group=root',
    'no-resolv',
    'no-hosts',
    'no-poll',
    'local=/#/',
    ...machines.flatMap((m) =>
      [m.ipv4, m.ipv6].filter((a) => a !== undefined).map((a) => `host-record=${m.name.toLowerCase()},${a}`),
    ),
    '',
  ].join('\n');
}
