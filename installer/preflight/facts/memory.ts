import { namesIn, textOf } from './read.ts';

export interface MemoryFacts {
  totalBytes: number;
  availableBytes: number;
  /** What is swapped to now, `/dev/sda2`. */
  swapLive: { path: string; bytes: number }[];
  /** Lines of /etc/fstab that would bring swap back. */
  swapFstab: string[];
  /** systemd units and generators' configuration that would bring it back. */
  swapUnits: string[];
  transparentHugePages: string;
}

const UNIT_FOLDERS = ['/etc/systemd/system', '/usr/lib/systemd/system', '/lib/systemd/system', '/run/systemd/system'];

export async function gatherMemory(): Promise<MemoryFacts> {
  const [info, swaps, fstab, units, zram, thp] = await Promise.all([
    textOf('/proc/meminfo'),
    textOf('/proc/swaps'),
    textOf('/etc/fstab'),
    Promise.all(UNIT_FOLDERS.map(async (folder) => (await namesIn(folder)).filter((n) => n.endsWith('.swap')).map((n) => `${folder}/${n}`))),
    textOf('/etc/systemd/zram-generator.conf'),
    textOf('/sys/kernel/mm/transparent_hugepage/enabled'),
  ]);
  const kib = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(info ?? '')?.[1] ?? 0) * 1024;
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
    swapUnits: [...new Set(units.flat()), ...(zram === undefined ? [] : ['/etc/systemd/zram-generator.conf'])],
    transparentHugePages: /\[(\w+)\]/.exec(thp ?? '')?.[1] ?? '',
  };
}
