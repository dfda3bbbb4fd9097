import type { ClusterCheck } from '../check.ts';

export const check: ClusterCheck = {
  code: 'bandwidth',
  title: 'data goes fast enough between the machines',
  scope: 'cluster',
  operations: ['install', 'join'],
  judge(_members, _context, matrix) {
    return matrix.flatMap((pair) => {
      if (pair.mbits === null || pair.mbits >= 100) {
        return [];
      }
      return [
        {
          severity: 'warn' as const,
          message: `${pair.from} → ${pair.to}: ${pair.mbits} Mbit/s; 100 are advised.`,
          remedy: 'Look for a slow link or a network card that fell back to a lower speed.',
        },
      ];
    });
  },
};
