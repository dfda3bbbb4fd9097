import { spawn } from 'node:child_process';
import { existsSync, openSync, closeSync, readdirSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { dnsmasqConf } from './guest-files.ts';
import { BRIDGE, DNSMASQ_CONF, GUEST_INTERFACE, isLabInterface, netnsFile, rootDir } from './names.ts';
import { BRIDGE_IPV4, BRIDGE_IPV6, IPV4_PREFIX, IPV6_PREFIX, mtus, type LabOptions, type MachinePlan } from './plan.ts';
import { CLEAN_ENV, run } from './run.ts';

/** The bridge with this machine's addresses. It forwards nothing beyond itself, whatever net.ipv4.ip_forward says. */
export async function makeBridge(): Promise<void> {
  await run('ip', ['link', 'add', BRIDGE, 'type', 'bridge', 'mcast_snooping', '0', 'forward_delay', '0']);
  await writeFile(`/proc/sys/net/ipv4/conf/${BRIDGE}/forwarding`, '0');
  await run('ip', ['address', 'add', `${BRIDGE_IPV4}/${IPV4_PREFIX}`, 'dev', BRIDGE]);
  await run('ip', ['address', 'add', `${BRIDGE_IPV6}/${IPV6_PREFIX}`, 'dev', BRIDGE, 'nodad']);
  await run('ip', ['link', 'set', BRIDGE, 'up']);
}

/** The machine's network namespace, which outlives its processes until it is removed, and its cable to the bridge. */
export async function plugIn(machine: MachinePlan, options: LabOptions): Promise<void> {
  const netns = netnsFile(machine.name);
  await mkdir(dirname(netns), { recursive: true });
  await writeFile(netns, '');
  await run('unshare', [`--net=${netns}`, 'true']);
  const { guest, bridge } = mtus(options);
  await run('ip', [
    'link',
    'add',
    machine.hostInterface,
    'mtu',
    String(bridge),
    'type',
    'veth',
    'peer',
    'name',
    GUEST_INTERFACE,
    'address',
    machine.mac,
    'mtu',
    String(guest),
    'netns',
    netns,
  ]);
  if (options.blackHole !== undefined) {
    // Segmentation left to the interface would carry large packets past the MTU unseen.
    const ethtool = [
      'chroot',
      rootDir(machine.name),
      'ethtool',
      '-K',
      GUEST_INTERFACE,
      'tso',
      'off',
      'gso',
      'off',
      'gro',
      'off',
    ];
    await run('nsenter', [`--net=${netns}`, ...ethtool]);
    await run('chroot', [
      rootDir(machine.name),
      'ethtool',
      '-K',
      machine.hostInterface,
      'tso',
      'off',
      'gso',
      'off',
      'gro',
      'off',
    ]);
  }
  await run('ip', ['link', 'set', machine.hostInterface, 'master', BRIDGE, 'up']);
}

export async function unplug(machine: Pick<MachinePlan, 'name' | 'hostInterface'>): Promise<void> {
  if (labInterfaces().includes(machine.hostInterface)) {
    await run('ip', ['link', 'delete', machine.hostInterface]);
  }
}

/** The lab's interfaces on this machine. */
export function labInterfaces(): string[] {
  return readdirSync('/sys/class/net').filter(isLabInterface);
}

export async function removeInterfaces(): Promise<void> {
  for (const name of labInterfaces().sort((a) => (a === BRIDGE ? 1 : -1))) {
    // Its other end may take it along meanwhile.
    if (existsSync(`/sys/class/net/${name}`)) {
      await run('ip', ['link', 'delete', name]).catch((error: unknown) => {
        if (existsSync(`/sys/class/net/${name}`)) {
          throw error;
        }
      });
    }
  }
}

/** A name server on the bridge that knows the machines and nothing else; it outlives this process. */
export async function startNameServer(machines: MachinePlan[], logs: string): Promise<void> {
  await rm(DNSMASQ_CONF, { force: true });
  await writeFile(DNSMASQ_CONF, dnsmasqConf(machines));
  const log = openSync(`${logs}/dnsmasq.log`, 'a');
  const child = spawn('dnsmasq', [`--conf-file=${DNSMASQ_CONF}`, '--keep-in-foreground', '--log-facility=-'], {
    detached: true,
    env: CLEAN_ENV,
    stdio: ['ignore', log, log],
  });
  closeSync(log);
  child.on('error', () => undefined);
  child.unref();
}
