import { access, readFile } from 'node:fs/promises';
import { release } from 'node:os';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { textOf } from './read.ts';

export type ModuleState = 'built in' | 'loaded' | 'loadable' | 'missing';

export interface KernelFacts {
  /**
   * Wanted symbols without CONFIG_ and their values (`y`, `m`, absent ones `n`); null where no configuration can be
   * read.
   */
  config: Record<string, string> | null;
  /** /sys/kernel/btf/vmlinux is there. */
  btf: boolean;
  modules: Record<string, ModuleState>;
  /** none, integrity, confidentiality; null without lockdown. */
  lockdown: string | null;
  /** This process may lower oom scores and raise limits. */
  capSysResource: boolean;
  capSysAdmin: boolean;
  ipv6: boolean;
}

export const WANTED_CONFIG = [
  'NAMESPACES',
  'NET_NS',
  'PID_NS',
  'IPC_NS',
  'UTS_NS',
  'CGROUPS',
  'CGROUP_PIDS',
  'MEMCG',
  'CPUSETS',
  'CGROUP_SCHED',
  'FAIR_GROUP_SCHED',
  'CFS_BANDWIDTH',
  'OVERLAY_FS',
  'SECCOMP_FILTER',
  'BPF',
  'BPF_SYSCALL',
  'CGROUP_BPF',
  'INOTIFY_USER',
  'EPOLL',
  'UNIX',
  'INET',
  'TMPFS',
  'POSIX_MQUEUE',
];
export const WANTED_MODULES = ['overlay'];
const CAP_SYS_ADMIN = 21;
const CAP_SYS_RESOURCE = 24;

export async function gatherKernel(): Promise<KernelFacts> {
  const [config, btf, modules, lockdown, status, ipv6] = await Promise.all([
    readConfig(),
    access('/sys/kernel/btf/vmlinux').then(
      () => true,
      () => false,
    ),
    moduleStates(),
    textOf('/sys/kernel/security/lockdown'),
    textOf('/proc/self/status'),
    textOf('/proc/net/if_inet6'),
  ]);
  const capabilities = BigInt(`0x${/^CapEff:\s+([0-9a-f]+)/m.exec(status ?? '')?.[1] ?? '0'}`);
  const has = (bit: number): boolean => ((capabilities >> BigInt(bit)) & 1n) === 1n;
  return {
    config,
    btf,
    modules,
    lockdown: /\[(\w+)\]/.exec(lockdown ?? '')?.[1] ?? null,
    capSysResource: has(CAP_SYS_RESOURCE),
    capSysAdmin: has(CAP_SYS_ADMIN),
    ipv6: ipv6 !== undefined && ipv6.trim() !== '',
  };
}

async function readConfig(): Promise<Record<string, string> | null> {
  const packed = await readFile('/proc/config.gz').catch(() => undefined);
  const text =
    packed !== undefined
      ? (await promisify(gunzip)(packed)).toString('utf8')
      : ((await textOf(`/boot/config-${release()}`)) ?? (await textOf(`/lib/modules/${release()}/config`)));
  if (text === undefined) {
    return null;
  }
  const set = new Map([...text.matchAll(/^CONFIG_(\w+)=(.*)$/gm)].map((m) => [m[1], m[2]]));
  return Object.fromEntries(WANTED_CONFIG.map((name) => [name, set.get(name) ?? 'n']));
}

async function moduleStates(): Promise<Record<string, ModuleState>> {
  const folder = `/lib/modules/${release()}`;
  const [loaded, builtin, dep, filesystems] = await Promise.all([
    textOf('/proc/modules'),
    textOf(`${folder}/modules.builtin`),
    textOf(`${folder}/modules.dep`),
    textOf('/proc/filesystems'),
  ]);
  const state = (name: string): ModuleState => {
    if (new RegExp(`^${name} `, 'm').test(loaded ?? '')) {
      return 'loaded';
    }
    if (new RegExp(`/${name}\\.ko`).test(builtin ?? '') || new RegExp(`\\t${name}$`, 'm').test(filesystems ?? '')) {
      return 'built in';
    }
    return new RegExp(`/${name}\\.ko`).test(dep ?? '') ? 'loadable' : 'missing';
  };
  return Object.fromEntries(WANTED_MODULES.map((name) => [name, state(name)]));
}
