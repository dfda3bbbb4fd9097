import type { HostCheck } from '../check.ts';
import { NEEDED_SYSCTLS } from '../needed-sysctls.ts';

/** What the kubelet sets at its own start needs no file; these have to be right at boot. */
export const check: HostCheck = {
  code: 'sysctl-at-boot',
  title: 'no file takes kernel settings back at the next boot',
  scope: 'host',
  operations: ['install', 'join', 'upgrade'],
  judge({ facts }) {
    const { sysctl, sysctlAtBoot } = facts.limits;
    return Object.entries(NEEDED_SYSCTLS).flatMap(([name, needed]) => {
      const boot = sysctlAtBoot[name];
      // Where it is too small now another check says so, and the file only confirms it.
      if (boot === undefined || !(Number(boot.value) < needed) || Number(sysctl[name] ?? 0) < needed) {
        return [];
      }
      return [
        {
          severity: 'warn' as const,
          message:
            `${name} is ${sysctl[name]} now but will be ${boot.value} after the next boot: ${boot.file} has the last ` +
            'word.',
          remedy: `Remove it there, or set at least ${needed}.`,
        },
      ];
    });
  },
};
