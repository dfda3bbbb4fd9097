import type { HostCheck } from '../check.ts';

export const check: HostCheck = {
  code: 'capabilities',
  title: 'root has the rights of root',
  scope: 'host',
  operations: ['install', 'join'],
  judge({ facts }) {
    const { capSysAdmin, capSysResource } = facts.kernel;
    if (!capSysAdmin) {
      return [
        {
          severity: 'fail',
          message: 'Even root may not mount file systems here (no CAP_SYS_ADMIN).',
          remedy: 'Use a virtual or real machine, or a container with all capabilities.',
        },
      ];
    }
    if (capSysResource) {
      return [];
    }
    return [
      {
        severity: 'info',
        message:
          'Root may not raise limits here (no CAP_SYS_RESOURCE): system pods are not preferred when memory runs out.',
      },
    ];
  },
};
