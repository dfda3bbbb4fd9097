import { namesIn, textOf } from './read.ts';

export interface LimitFacts {
  /** Kernel settings by name; null where the kernel has none of that name. */
  sysctl: Record<string, string | null>;
  /** What a file of sysctl.d gives those at the next boot, for those that any file sets: the last one wins. */
  sysctlAtBoot: Record<string, BootSetting>;
  openFilesHard: number;
  openFilesSoft: number;
  umask: string;
  /** Proxy settings found, by where; user names and passwords are cut out. */
  proxies: { where: string; variable: string; value: string }[];
  noProxy: string[];
}

export interface BootSetting {
  value: string;
  file: string;
}

export const SYSCTLS = [
  'fs.inotify.max_user_instances',
  'fs.inotify.max_user_watches',
  'fs.file-max',
  'kernel.pid_max',
  'kernel.threads-max',
  'vm.max_map_count',
  'vm.overcommit_memory',
  'vm.panic_on_oom',
  'kernel.panic',
  'kernel.panic_on_oops',
  'net.ipv4.ip_local_port_range',
  'net.ipv4.ip_local_reserved_ports',
  'net.ipv4.ip_forward',
  'net.ipv6.conf.all.disable_ipv6',
  'net.core.somaxconn',
  'user.max_user_namespaces',
];
/** Of files with the same name the one in the folder named last counts (sysctl.d(5)). */
const SYSCTL_FOLDERS = [
  '/lib/sysctl.d',
  '/usr/lib/sysctl.d',
  '/usr/local/lib/sysctl.d',
  '/run/sysctl.d',
  '/etc/sysctl.d',
];
const PROXY_FILES = [
  '/etc/environment',
  '/etc/profile.d/proxy.sh',
  '/etc/sysconfig/proxy',
  '/etc/systemd/system.conf',
  '/etc/default/docker',
];

export async function gatherLimits(env: NodeJS.ProcessEnv): Promise<LimitFacts> {
  const [values, boot, limits, status, files] = await Promise.all([
    Promise.all(SYSCTLS.map((name) => textOf(`/proc/sys/${name.replaceAll('.', '/')}`))),
    bootSettings(),
    textOf('/proc/self/limits'),
    textOf('/proc/self/status'),
    Promise.all(PROXY_FILES.map((f) => textOf(f))),
  ]);
  const files_ = /^Max open files\s+(\d+|unlimited)\s+(\d+|unlimited)/m.exec(limits ?? '');
  const number = (text: string | undefined): number =>
    text === 'unlimited' ? Number.MAX_SAFE_INTEGER : Number(text ?? 0);
  const sources: [string, string][] = [
    [
      'environment',
      Object.entries(env)
        .map(([k, v]) => `${k}=${v ?? ''}`)
        .join('\n'),
    ],
    ...PROXY_FILES.map((f, i): [string, string] => [f, files[i] ?? '']),
  ];
  const found = sources.flatMap(([where, text]) =>
    [...text.matchAll(/\b(https?_proxy|all_proxy|no_proxy)=["']?([^"'\s]+)/gi)].map((m) => ({
      where,
      variable: (m[1] ?? '').toLowerCase(),
      value: (m[2] ?? '').replace(/\/\/[^@/]*@/, '//'),
    })),
  );
  return {
    sysctl: Object.fromEntries(SYSCTLS.map((name, i) => [name, values[i]?.trim() ?? null])),
    sysctlAtBoot: settingsAtBoot(boot, SYSCTLS),
    openFilesSoft: number(files_?.[1]),
    openFilesHard: number(files_?.[2]),
    umask: /^Umask:\s+(\d+)/m.exec(status ?? '')?.[1] ?? '',
    proxies: found.filter((f) => f.variable !== 'no_proxy'),
    noProxy: found.filter((f) => f.variable === 'no_proxy').flatMap((f) => f.value.split(',')),
  };
}

/** Files of sysctl.d in the order in which they are applied: by name, whatever their folder. */
async function bootSettings(): Promise<{ file: string; text: string }[]> {
  const files = new Map<string, string>();
  for (const folder of SYSCTL_FOLDERS) {
    for (const name of await namesIn(folder)) {
      if (name.endsWith('.conf')) {
        files.set(name, `${folder}/${name}`);
      }
    }
  }
  return await Promise.all(
    [...files]
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(async ([, file]) => ({ file, text: (await textOf(file)) ?? '' })),
  );
}

/**
 * Who has the last word on each of `names`. Lines are `a.b.c = value`, also with slashes, or with a leading `-`
 * (sysctl.d(5)).
 */
export function settingsAtBoot(files: { file: string; text: string }[], names: string[]): Record<string, BootSetting> {
  const found: Record<string, BootSetting> = {};
  for (const { file, text } of files) {
    for (const [, key = '', value = ''] of text.matchAll(/^[ \t]*-?([\w./-]+)[ \t]*=[ \t]*(.*?)[ \t]*$/gm)) {
      const name = /^[^./]*\//.test(key) ? key.replaceAll('/', '.') : key;
      if (names.includes(name)) {
        found[name] = { value, file };
      }
    }
  }
  return found;
}
