import type { ClusterCheck } from '../check.ts';

export const check: ClusterCheck = {
  code: 'syn-option',
  title: 'unknown TCP options pass between the machines',
  scope: 'cluster',
  operations: ['install', 'join', 'upgrade'],
  judge(_members, _context, matrix) {
    return matrix.flatMap((pair) => {
      if (pair.synOption === null || pair.synOption === 'kept') {
        return [];
      }
      const what =
        pair.synOption === 'stripped'
          ? 'a device in between removes unknown TCP options from a SYN'
          : 'a device in between drops a SYN with an unknown TCP option';
      return [
        {
          severity: 'warn' as const,
          message:
            `${pair.from} → ${pair.to}: ${what}; network policies between the two will go ` +
            'by address and port only.',
          remedy: 'Look for a firewall with "TCP normalisation" between them.',
        },
      ];
    });
  },
};
