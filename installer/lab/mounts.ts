import { readFileSync, readdirSync, readlinkSync, rmSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { Failure } from '../../src/errors.ts';
import { RUN_DIR, isLabImage } from './names.ts';
import { run, succeeds } from './run.ts';

/**
 * Mount points below RUN_DIR, as /proc/self/mountinfo lists them: disks of machines and pinned network namespaces; the
 * deepest first.
 */
export function parseLabMounts(mountinfo: string): string[] {
  return mountinfo
    .split('\n')
    .map((line) => line.split(' ')[4])
    .filter((point) => point !== undefined)
    .map((point) =>
      point.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8))),
    )
    .filter((point) => point.startsWith(`${RUN_DIR}/`))
    .reverse();
}

export function labMounts(): string[] {
  return parseLabMounts(readFileSync('/proc/self/mountinfo', 'utf8'));
}

export interface Loop {
  device: string;
  image: string;
}

/** Loop devices whose backing file is a machine's disk. */
export async function labLoops(): Promise<Loop[]> {
  const listing = await run('losetup', ['--list', '--json', '--output', 'NAME,BACK-FILE']);
  if (listing.trim() === '') {
    return [];
  }
  const { loopdevices } = JSON.parse(listing) as { loopdevices: { name: string; 'back-file': string | null }[] };
  return loopdevices.map((l) => ({ device: l.name, image: l['back-file'] ?? '' })).filter((l) => isLabImage(l.image));
}

/**
 * Mounts a disk; its loop device goes by itself when it is unmounted.
 *
 * Without barriers: a machine's fsync has reached its disk, which `cutDisk` does not take away, when it is in the
 * image; that the image's own disk is flushed too would help against a power cut of this machine only, and costs three
 * machines under load a fifth of a processor.
 */
export async function mountDisk(image: string, point: string): Promise<void> {
  await run('mount', ['-t', 'ext4', '-o', 'loop,noinit_itable,nobarrier', image, point]);
}

/**
 * What a power cut does to a disk: nothing that is not on it yet ever gets there (EXT4_IOC_SHUTDOWN without flushing
 * the journal). The next mount replays the journal, as after a real one.
 */
export async function cutDisk(point: string): Promise<void> {
  const script =
    'open(my $f, "<", $ARGV[0]) or die "$!\n"; my $how = pack("L", 2); ioctl($f, 0x8004587D, $how) or die "$!\n";';
  await run('perl', ['-e', script, point]);
}

/** Unmounts and waits for those who still hold it; @throws Failure `lab-mount-busy`. */
export async function unmount(point: string): Promise<void> {
  for (let attempt = 0; attempt < 50; attempt += 1) {
    if (!labMounts().includes(point)) {
      return;
    }
    if (await succeeds('umount', [point])) {
      continue;
    }
    await sleep(100);
  }
  if (labMounts().includes(point)) {
    throw new Failure(
      'lab-mount-busy',
      `${point} is still in use on this machine by a process that is not the lab's.`,
      {
        remedy: `Find it with \`fuser -vm ${point}\`, end it and run the same command again.`,
      },
    );
  }
}

/**
 * Waits until nothing uses a disk any more. Where / is not a shared mount, a process of somebody else that made itself
 * a mount namespace while the machine ran still has the disk in it: it is unmounted there too.
 * @throws Failure `lab-disk-busy`.
 */
export async function releaseDisk(image: string, point: string): Promise<void> {
  for (let attempt = 0; attempt < 50; attempt += 1) {
    if (!(await labLoops()).some((l) => l.image.startsWith(image))) {
      return;
    }
    if (attempt >= 2) {
      for (const pid of otherNamespaces(point)) {
        await succeeds('nsenter', [`--target=${pid}`, '--mount', 'umount', '--lazy', point]);
      }
    }
    await sleep(100);
  }
  throw new Failure('lab-disk-busy', `${image} is still in use on this machine by a process that is not the lab's.`, {
    remedy: `Find it with \`grep -l ${RUN_DIR} /proc/*/mountinfo\`, end it and run the same command again.`,
  });
}

/** One process of each mount namespace but ours that has `point` mounted. */
function otherNamespaces(point: string): number[] {
  const own = readlinkSync('/proc/self/ns/mnt');
  const found = new Map<string, number>();
  for (const pid of readdirSync('/proc').filter((e) => /^[0-9]+$/.test(e))) {
    try {
      const namespace = readlinkSync(`/proc/${pid}/ns/mnt`);
      if (
        namespace !== own &&
        !found.has(namespace) &&
        parseLabMounts(readFileSync(`/proc/${pid}/mountinfo`, 'utf8')).includes(point)
      ) {
        found.set(namespace, Number(pid));
      }
    } catch {
      // it has ended meanwhile
    }
  }
  return [...found.values()];
}

/** Detaches loop devices that lost their mount but not their file; these are remains of a crash. */
export async function detachLoops(): Promise<void> {
  for (const { device } of await labLoops()) {
    await succeeds('losetup', ['--detach', device]);
  }
}

/** nspawn makes this folder for each machine and leaves it when it is killed. */
export function removeNspawnRemains(machine: string): void {
  rmSync(`/run/systemd/nspawn/propagate/${machine}`, { recursive: true, force: true });
}

/** nspawn's lock file of a disk's root, which it leaves when it is killed; asked while the disk is mounted. */
export async function nspawnLock(root: string): Promise<string> {
  const { dev, ino } = await stat(root);
  return `/run/systemd/nspawn/locks/inode-${dev}:${ino}`;
}
