import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { uptime } from 'node:os';
import { isErrno } from '../../../src/errors.ts';

/** What the kernel's log says since the boot, as far as it has not been overwritten. */
export interface KernelLogFacts {
  /** Lines about failed reads and writes on the disks that hold our folders, the last ones. */
  diskErrors: string[];
  /** How many there were in all. */
  diskErrorCount: number;
  /** Signs that the machine stood still or that its clock jumped, the last ones, and how long ago. */
  pauses: { sign: PauseSign; agoS: number; line: string }[];
}

export type PauseSign = 'restored' | 'resumed' | 'jumped' | 'clock source' | 'stood still';

export interface KernelLine {
  /** Seconds since the boot, by the kernel's own clock. */
  atS: number;
  text: string;
}

const DISK_ERROR = new RegExp(
  [
    /I\/O error/,
    /EXT4-fs error/,
    /XFS .*(?:error|[Cc]orruption)/,
    /BTRFS (?:error|critical)/,
    /critical (?:medium|target) error/,
    /[Rr]emounting filesystem read-only/,
    /lost async page write/,
  ]
    .map((r) => r.source)
    .join('|'),
);
/** `I/O error, dev sda, sector`, `EXT4-fs error (device sda1)`, `XFS (dm-0)` */
const DEVICE = /(?:\bdev |\bdevice |\((?!device ))([\w!-]+)/g;
/** What follows belongs to another use of the device. */
const MOUNTED = /^(?:EXT4-fs|XFS) \((\S+?)\): (?:mounted filesystem|Mounting )/;
/** While a machine boots its clock sources are sorted out and the time is set: that is no event. */
const BOOT_S = 300;
const SIGNS: [PauseSign, RegExp][] = [
  ['restored', /crng reseeded due to virtual machine fork/],
  ['resumed', /^PM: (?:suspend|hibernation:?) exit|suspending xenstore/],
  ['jumped', /Time jumped backwards/],
  ['clock source', /[Mm]arking clocksource .* as unstable/],
  ['stood still', /watchdog: BUG: soft lockup/],
];
const KEPT = 3;
/**
 * Device number of /dev/kmsg (the kernel's Documentation/admin-guide/devices.txt); in a container a pipe may have its
 * name.
 */
const KMSG = (1 << 8) | 11;
const MAX_LINES = 100_000;
/** Longest record of /dev/kmsg (CONSOLE_EXT_LOG_MAX of the kernel). */
const RECORD_BYTES = 8192;

/** @param devices names of the block devices that hold our folders */
export function gatherKernelLog(devices: string[]): KernelLogFacts | null {
  const lines = readKernelLog();
  return lines === null ? null : kernelLogFacts(lines, devices, uptime());
}

/** @param nowS seconds since the boot */
export function kernelLogFacts(lines: KernelLine[], devices: string[], nowS: number): KernelLogFacts {
  let errors: { device: string; text: string }[] = [];
  const pauses: KernelLogFacts['pauses'] = [];
  for (const { atS, text } of lines) {
    const mounted = MOUNTED.exec(text)?.[1];
    if (mounted !== undefined) {
      errors = errors.filter((e) => e.device !== mounted);
    }
    if (DISK_ERROR.test(text)) {
      const device = [...text.matchAll(DEVICE)].map((m) => m[1] ?? '').find((d) => devices.includes(d));
      if (device !== undefined) {
        errors.push({ device, text });
      }
    }
    const sign = atS < BOOT_S ? undefined : SIGNS.find(([, pattern]) => pattern.test(text))?.[0];
    if (sign !== undefined) {
      pauses.push({ sign, agoS: Math.max(0, Math.round(nowS - atS)), line: text });
    }
  }
  return {
    diskErrors: errors.slice(-KEPT).map((e) => e.text),
    diskErrorCount: errors.length,
    pauses: pauses.slice(-KEPT),
  };
}

/** Null where there is no log, or where it may not be read. */
function readKernelLog(): KernelLine[] | null {
  let fd: number | undefined;
  try {
    fd = openSync('/dev/kmsg', constants.O_RDONLY | constants.O_NONBLOCK);
    const info = fstatSync(fd);
    if (!info.isCharacterDevice() || info.rdev !== KMSG) {
      return null;
    }
    const lines: KernelLine[] = [];
    const buffer = Buffer.alloc(RECORD_BYTES);
    for (let n = 0; n < MAX_LINES; n += 1) {
      const record = nextRecord(fd, buffer);
      if (record === 'end') {
        break;
      }
      const line = record === 'overwritten' ? undefined : kernelLine(record);
      if (line !== undefined) {
        lines.push(line);
      }
    }
    return lines;
  } catch {
    return null;
  } finally {
    if (fd !== undefined) {
      closeSync(fd);
    }
  }
}

function nextRecord(fd: number, buffer: Buffer): string {
  try {
    const size = readSync(fd, buffer);
    return size === 0 ? 'end' : buffer.toString('utf8', 0, size);
  } catch (error) {
    if (isErrno(error, 'EAGAIN')) {
      return 'end';
    }
    // The ring went over the record that was to be read next.
    if (isErrno(error, 'EPIPE')) {
      return 'overwritten';
    }
    throw error;
  }
}

/**
 * @param record `6,339,5140900,-;text`, the time in microseconds, then lines about the device
 *   (Documentation/ABI/testing/dev-kmsg of the kernel).
 */
export function kernelLine(record: string): KernelLine | undefined {
  const match = /^\d+,\d+,(\d+),[^;]*;([^\n]*)/.exec(record);
  return match === null ? undefined : { atS: Number(match[1]) / 1e6, text: match[2] ?? '' };
}
