import type { HostCheck } from '../check.ts';
import { list } from '../format.ts';

const NEEDED = ['mount', 'umount', 'systemctl', 'tee', 'sha256sum'];

export const check: HostCheck = {
  code: 'tools',
  title: 'the programs of the system that are needed are there',
  scope: 'host',
  operations: ['install', 'join', 'upgrade'],
  judge({ facts }) {
    const needed = [...NEEDED, ...(facts.kernel.modules['overlay'] === 'loadable' ? ['modprobe'] : [])];
    const missing = needed.filter((t) => facts.tools[t] === null);
    if (missing.length === 0) {
      return [];
    }
    return [
      {
        severity: 'fail',
        message: `${list(missing)} ${missing.length === 1 ? 'is' : 'are'} not installed.`,
        remedy: 'Install the packages that contain them (mount, systemd, kmod, coreutils).',
      },
    ];
  },
};
