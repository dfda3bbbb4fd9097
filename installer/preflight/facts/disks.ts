import { access, open, realpath } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import type { Mount } from './mounts.ts';
import { namesIn, outputOf, textOf } from './read.ts';

/** What lies below one file system. */
export interface DiskFacts {
  mountPoint: string;
  /**
   * Names of the block devices in sysfs, the file system's own first: `dm-0`, `sda3`, `sda`; empty where there are
   * none.
   */
  devices: string[];
  /** Options by which users or groups have a quota on it. */
  quotas: string[];
  /**
   * Errors that ext4 has recorded in the file system since its last check, other boots included; null for other kinds.
   */
  ext4Errors: number | null;
  /**
   * XFS keeps the types of files in its folders (ftype=1), which overlays need; null for other kinds, or where it
   * cannot be read.
   */
  xfsFtype: boolean | null;
  /** The thin pool that it draws its blocks from; null without one, or where it cannot be asked. */
  thinPool: ThinPool | null;
}

export interface ThinPool {
  /** Name for `dmsetup` and `lvs`. */
  name: string;
  /** rw, ro, out_of_data_space, fail … */
  mode: string;
  /** 0 to 1 */
  dataUsed: number;
  metadataUsed: number;
  freeBytes: number;
}

/** Not `prjquota`: a project's limit shows in the size of its folder, which is judged anyway. */
const QUOTA = /^(?:quota|usrquota|grpquota|uquota|gquota|(?:usr|grp)jquota=.+)$/;
const SECTOR = 512;
/** Devices upon devices upon devices: more layers than anybody builds. */
const MAX_DEPTH = 8;

export async function gatherDisk(mount: Mount): Promise<DiskFacts> {
  const devices = await devicesBelow(mount);
  const own = devices[0] ?? '';
  const [errors, superblock, pools] = await Promise.all([
    textOf(`/sys/fs/ext4/${own}/errors_count`),
    mount.filesystem === 'xfs' ? firstSector(`/dev/${own}`) : undefined,
    Promise.all(devices.map((d) => poolName(d))),
  ]);
  const pool = pools.find((p) => p !== undefined);
  return {
    mountPoint: mount.at,
    devices,
    quotas: mount.options.filter((o) => QUOTA.test(o)),
    ext4Errors: errors === undefined || !/^\d+\s*$/.test(errors) ? null : Number(errors),
    xfsFtype: superblock === undefined ? null : xfsFtype(superblock),
    thinPool: pool === undefined ? null : await askPool(pool),
  };
}

async function firstSector(device: string): Promise<Buffer | undefined> {
  try {
    const file = await open(device, 'r');
    try {
      return (await file.read(Buffer.alloc(SECTOR), 0, SECTOR, 0)).buffer;
    } finally {
      await file.close();
    }
  } catch {
    return undefined;
  }
}

/**
 * @param superblock first 512 bytes of the device; struct xfs_dsb in fs/xfs/libxfs/xfs_format.h of the kernel,
 *   big-endian
 */
export function xfsFtype(superblock: Buffer): boolean | null {
  if (superblock.length < SECTOR || superblock.toString('latin1', 0, 4) !== 'XFSB') {
    return null;
  }
  const version = superblock.readUInt16BE(100) & 0xf;
  if (version < 4) {
    return false;
  }
  // sb_features_incompat, bit FTYPE; before version 5 sb_features2, bit FTYPEBIT.
  return version === 4 ? (superblock.readUInt32BE(200) & 0x200) !== 0 : (superblock.readUInt32BE(216) & 1) !== 0;
}

async function devicesBelow(mount: Mount): Promise<string[]> {
  // btrfs shows a number that belongs to no device; its source is a path.
  const start =
    (await resolved(`/sys/dev/block/${mount.number}`)) ??
    (mount.device.startsWith('/dev/')
      ? await resolved(`/sys/class/block/${basename((await resolved(mount.device)) ?? mount.device)}`)
      : undefined);
  return start === undefined ? [] : await deviceChain(start);
}

/**
 * @param folder a device in sysfs; returns its name, that of the disk on which it is a partition, and what a device of
 *   the mapper or a RAID is made of.
 */
export async function deviceChain(folder: string): Promise<string[]> {
  return [...new Set(await chain(folder, 0))];
}

async function chain(folder: string, depth: number): Promise<string[]> {
  if (depth > MAX_DEPTH) {
    return [];
  }
  const partition = await access(`${folder}/partition`).then(
    () => true,
    () => false,
  );
  const slaves = await Promise.all((await namesIn(`${folder}/slaves`)).map((s) => resolved(`${folder}/slaves/${s}`)));
  const below = [...(partition ? [dirname(folder)] : []), ...slaves.filter((s) => s !== undefined)];
  return [basename(folder), ...(await Promise.all(below.map((b) => chain(b, depth + 1)))).flat()];
}

async function resolved(path: string): Promise<string | undefined> {
  return await realpath(path).catch(() => undefined);
}

/** LVM marks the device of a thin pool by the end of its id. */
async function poolName(device: string): Promise<string | undefined> {
  const id = device.startsWith('dm-') ? await textOf(`/sys/class/block/${device}/dm/uuid`) : undefined;
  return id?.trim().endsWith('-tpool') === true
    ? (await textOf(`/sys/class/block/${device}/dm/name`))?.trim()
    : undefined;
}

async function askPool(name: string): Promise<ThinPool | null> {
  const [status, table] = await Promise.all([
    outputOf('dmsetup', ['status', name]),
    outputOf('dmsetup', ['table', name]),
  ]);
  return thinPool(name, status ?? '', table ?? '');
}

/**
 * @param status, table what dmsetup prints of a device of the target `thin-pool`
 *   (the kernel's Documentation/admin-guide/device-mapper/thin-provisioning.rst)
 */
export function thinPool(name: string, status: string, table: string): ThinPool | null {
  const [, , kind, , metadata, data, , mode] = status.trim().split(/\s+/);
  if (kind !== 'thin-pool') {
    return null;
  }
  if (/\bFail\b/i.test(status)) {
    return { name, mode: 'fail', dataUsed: 1, metadataUsed: 1, freeBytes: 0 };
  }
  const blockBytes = Number(table.trim().split(/\s+/)[5]) * SECTOR;
  const [usedMetadata = 0, allMetadata = 0] = (metadata ?? '').split('/').map(Number);
  const [used = 0, all = 0] = (data ?? '').split('/').map(Number);
  if (!(all > 0 && allMetadata > 0 && blockBytes > 0) || mode === undefined) {
    return null;
  }
  return {
    name,
    mode,
    dataUsed: used / all,
    metadataUsed: usedMetadata / allMetadata,
    freeBytes: (all - used) * blockBytes,
  };
}
