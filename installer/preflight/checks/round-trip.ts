import type { ClusterCheck, Finding } from '../check.ts';

export const check: ClusterCheck = {
  code: 'round-trip',
  title: 'the machines are near to each other',
  scope: 'cluster',
  operations: ['install', 'join', 'upgrade'],
  judge(members, _context, matrix) {
    const planes = new Set(members.filter((m) => m.role === 'control-plane').map((m) => m.name));
    return matrix.flatMap((pair): Finding[] => {
      if (!planes.has(pair.from) || !planes.has(pair.to) || pair.roundTripsMs.length === 0) {
        return [];
      }
      const median = pair.roundTripsMs[Math.floor(pair.roundTripsMs.length / 2)] ?? 0;
      const p90 = pair.roundTripsMs[Math.floor((pair.roundTripsMs.length - 1) * 0.9)] ?? 0;
      if (median >= 50) {
        return [
          {
            severity: 'fail',
            message:
              `${pair.from} → ${pair.to}: a round trip takes ${median.toFixed(0)} ms; above 50 ms control planes ` +
              'lose each other.',
            remedy: 'Put the control planes into one site.',
          },
        ];
      }
      if (p90 < 10) {
        return [];
      }
      return [
        {
          severity: 'warn',
          message:
            `${pair.from} → ${pair.to}: a round trip takes ${median.toFixed(1)} ms, at times ${p90.toFixed(0)} ms; ` +
            '10 ms are advised between control planes.',
          remedy: 'Put the control planes into one site, or look for load on machines and network.',
        },
      ];
    });
  },
};
