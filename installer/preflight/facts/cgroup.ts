import { textOf } from './read.ts';

export interface CgroupFacts {
  /** unified: cgroup v2 only; hybrid: v1 controllers and a v2 tree without them; legacy: v1 only. */
  hierarchy: 'unified' | 'hybrid' | 'legacy' | 'none';
  /** Controllers that are mounted and usable, of either version. */
  controllers: string[];
  /** Mount points, of cgroup2 first. */
  mounts: string[];
}

const KNOWN = [
  'cpu',
  'cpuacct',
  'cpuset',
  'memory',
  'pids',
  'blkio',
  'io',
  'devices',
  'freezer',
  'hugetlb',
  'net_cls',
  'net_prio',
  'perf_event',
  'rdma',
  'misc',
];

function hierarchyOf(has1: boolean, has2: boolean): CgroupFacts['hierarchy'] {
  if (has1) {
    return has2 ? 'hybrid' : 'legacy';
  }
  return has2 ? 'unified' : 'none';
}

/** @param mountinfo text of /proc/self/mountinfo */
export function cgroupFacts(mountinfo: string, v2Controllers: string | undefined): CgroupFacts {
  const mounts = mountinfo.split('\n').flatMap((line) => {
    const [left = '', right = ''] = line.split(' - ');
    const [type = '', , options = ''] = right.split(' ');
    return type === 'cgroup' || type === 'cgroup2' ? [{ at: left.split(' ')[4] ?? '', type, options }] : [];
  });
  const v1 = mounts
    .filter((m) => m.type === 'cgroup')
    .flatMap((m) => m.options.split(',').filter((o) => KNOWN.includes(o)));
  const has2 = mounts.some((m) => m.type === 'cgroup2');
  const v2 = (v2Controllers ?? '').split(/\s+/).filter((c) => c !== '');
  return {
    hierarchy: hierarchyOf(v1.length > 0, has2),
    controllers: [...new Set([...v2, ...v1])].toSorted(),
    mounts: mounts.toSorted((a, b) => b.type.localeCompare(a.type)).map((m) => m.at),
  };
}

export async function gatherCgroup(): Promise<CgroupFacts> {
  const mountinfo = (await textOf('/proc/self/mountinfo')) ?? '';
  const v2 =
    (await textOf('/sys/fs/cgroup/cgroup.controllers')) ?? (await textOf('/sys/fs/cgroup/unified/cgroup.controllers'));
  return cgroupFacts(mountinfo, v2);
}
