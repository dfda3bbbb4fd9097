import type { Finding, HostCheck } from '../check.ts';

export const check: HostCheck = {
  code: 'disk-errors',
  title: 'the disks report no errors',
  scope: 'host',
  operations: ['install', 'join', 'upgrade'],
  judge({ facts }) {
    const found: Finding[] = [];
    const log = facts.kernelLog;
    if (log !== null && log.diskErrorCount > 0) {
      const times = log.diskErrorCount === 1 ? 'an error' : `${log.diskErrorCount} errors`;
      found.push({
        severity: 'warn',
        message:
          `The kernel's log has ${times} of the disks that will be used, the last: ` + `${log.diskErrors.at(-1) ?? ''}`,
        remedy:
          'Look at `dmesg` and `smartctl -a`, and replace the disk, or look for the reason in the storage behind it.',
      });
    }
    for (const disk of facts.storage.disks) {
      if (disk.ext4Errors === null || disk.ext4Errors === 0) {
        continue;
      }
      found.push({
        severity: 'warn',
        message:
          `The file system of ${disk.mountPoint} (${disk.devices[0] ?? ''}) has recorded ` +
          `${disk.ext4Errors === 1 ? 'an error' : `${disk.ext4Errors} errors`} since it was last checked.`,
        remedy:
          'Have it checked at the next boot (`fsck.mode=force` on the kernel command line), and look for the ' +
          'reason in `dmesg`.',
      });
    }
    return found;
  },
};
