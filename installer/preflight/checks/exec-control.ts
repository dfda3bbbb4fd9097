import type { HostCheck } from '../check.ts';

export const check: HostCheck = {
  code: 'exec-control',
  title: 'nothing forbids new programs',
  scope: 'host',
  operations: ['install', 'join'],
  judge({ facts }, context) {
    const { fapolicyd, imaAppraise } = facts.security;
    if (fapolicyd) {
      return [
        {
          severity: 'fail',
          message: 'fapolicyd runs: it refuses programs that no package brought.',
          remedy:
            `Trust ${context.prefix} (\`fapolicyd-cli --file add ${context.prefix}/\`) and run with --ignore ` +
            'exec-control=trusted.',
        },
      ];
    }
    if (imaAppraise) {
      return [
        {
          severity: 'fail',
          message: 'The kernel runs only programs with a signature (ima_appraise=enforce).',
          remedy: 'Sign the programs or boot without it.',
        },
      ];
    }
    return [];
  },
};
