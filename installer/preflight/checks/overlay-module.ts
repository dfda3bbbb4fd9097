import type { HostCheck } from '../check.ts';

export const check: HostCheck = {
  code: 'overlay-module',
  title: 'the kernel can stack file systems',
  scope: 'host',
  operations: ['install', 'join', 'upgrade'],
  judge({ facts }) {
    if (facts.kernel.modules['overlay'] !== 'missing') {
      return [];
    }
    return [
      {
        severity: 'fail',
        message: 'The kernel has no overlay file system, and there is no module for it.',
        remedy:
          'Install the package with the extra kernel modules (kernel-modules-extra, linux-modules-extra) and ' +
          'reboot if the kernel was upgraded since the last boot.',
      },
    ];
  },
};
