import { access, readlink } from 'node:fs/promises';
import { basename } from 'node:path';
import { namesIn, outputOf, textOf } from './read.ts';

export interface MemoryFacts {
  totalBytes: number;
  availableBytes: number;
  /** What is swapped to now, `/dev/sda2`. */
  swapLive: { path: string; bytes: number }[];
  /** Lines of /etc/fstab that would bring swap back. */
  swapFstab: string[];
  /** Paths of systemd units and of generators' configuration that would bring it back. */
  swapUnits: string[];
  transparentHugePages: string;
  /** Memory that the hypervisor has taken back by a balloon driver; null where the kernel does not count it. */
  balloonBytes: number | null;
  /** Memory of this machine that the hypervisor has swapped out; only VMware's tools tell it, null elsewhere. */
  hostSwapBytes: number | null;
}

/** Written for x86-64 only, see the check `architecture`. */
const PAGE_BYTES = 4096;
const ZRAM_CONF = ['/etc/systemd/zram-generator.conf', '/usr/lib/systemd/zram-generator.conf'];
/** The unit that zram-generator makes for its first device. */
export const ZRAM_UNIT = 'dev-zram0.swap';
const UNIT_FOLDERS = ['/etc/systemd/system', '/usr/lib/systemd/system', '/lib/systemd/system', '/run/systemd/system'];

export async function gatherMemory(): Promise<MemoryFacts> {
  const [info, swaps, fstab, units, thp, vmstat, hostSwap] = await Promise.all([
    textOf('/proc/meminfo'),
    textOf('/proc/swaps'),
    textOf('/etc/fstab'),
    swapUnits(),
    textOf('/sys/kernel/mm/transparent_hugepage/enabled'),
    textOf('/proc/vmstat'),
    hostSwapBytes(),
  ]);
  const kib = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(info ?? '')?.[1] ?? 0) * 1024;
  return {
    totalBytes: kib('MemTotal'),
    availableBytes: kib('MemAvailable'),
    swapLive: (swaps ?? '')
      .split('\n')
      .slice(1)
      .filter((l) => l.trim() !== '')
      .map((l) => l.split(/\s+/))
      .map((f) => ({ path: f[0] ?? '', bytes: Number(f[2] ?? 0) * 1024 })),
    swapFstab: (fstab ?? '').split('\n').filter((l) => /^\s*[^#\s]+\s+\S+\s+swap\b/.test(l)),
    swapUnits: units,
    transparentHugePages: /\[(\w+)\]/.exec(thp ?? '')?.[1] ?? '',
    balloonBytes: balloonBytes(vmstat ?? ''),
    hostSwapBytes: hostSwap,
  };
}

/**
 * Everything of systemd's that starts swap and is not masked: units, those made by the generators for GPT partitions
 * and for zram (fstab is judged by itself), and services of Debian that make a swap file or device.
 */
async function swapUnits(): Promise<string[]> {
  const listed = async (folder: string, wanted: RegExp): Promise<string[]> =>
    (await namesIn(folder)).filter((n) => wanted.test(n)).map((n) => `${folder}/${n}`);
  const [made, generated, zram, services, zramConf] = await Promise.all([
    Promise.all(UNIT_FOLDERS.map((folder) => listed(folder, /\.swap$/))),
    listed('/run/systemd/generator.late', /\.swap$/),
    listed('/run/systemd/generator', /^dev-zram\d+\.swap$/),
    listed('/etc/systemd/system/multi-user.target.wants', /^(?:zramswap|dphys-swapfile)\.service$/),
    Promise.all(ZRAM_CONF.map(async (path) => (((await textOf(path)) ?? '').includes('[zram') ? [path] : []))),
  ]);
  const units = [...new Set([...made.flat(), ...generated, ...zram, ...services])];
  const unmasked = await Promise.all(units.map(async (path) => ((await isMasked(basename(path))) ? [] : [path])));
  // Its unit is made at the next boot, where it has not been yet.
  const conf = zram.length > 0 || (await isMasked(ZRAM_UNIT)) ? [] : zramConf.flat();
  return [...unmasked.flat(), ...conf];
}

async function isMasked(unit: string): Promise<boolean> {
  return (await readlink(`/etc/systemd/system/${unit}`).catch(() => '')) === '/dev/null';
}

/** Pages that ballooning drivers hold, from /proc/vmstat: a gauge in new kernels, two counters in older ones. */
export function balloonBytes(vmstat: string): number | null {
  const count = (name: string): number => Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(vmstat)?.[1] ?? Number.NaN);
  const gauge = count('nr_balloon_pages');
  const pages = Number.isNaN(gauge) ? count('balloon_inflate') - count('balloon_deflate') : gauge;
  return Number.isNaN(pages) ? null : Math.max(0, pages) * PAGE_BYTES;
}

async function hostSwapBytes(): Promise<number | null> {
  const program = '/usr/bin/vmware-toolbox-cmd';
  if (
    !(await access(program).then(
      () => true,
      () => false,
    ))
  ) {
    return null;
  }
  const megabytes = /^(\d+) MB/.exec((await outputOf(program, ['stat', 'swap'])) ?? '')?.[1];
  return megabytes === undefined ? null : Number(megabytes) * 2 ** 20;
}
