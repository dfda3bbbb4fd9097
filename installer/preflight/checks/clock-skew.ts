import type { ClusterCheck } from '../check.ts';
import { list } from '../format.ts';

export const check: ClusterCheck = {
  code: 'clock-skew',
  title: 'the clocks agree',
  scope: 'cluster',
  operations: ['install', 'join', 'upgrade'],
  judge(members, _context, matrix) {
    return matrix.flatMap((pair) => {
      // Each pair is measured both ways; one finding is enough.
      if (pair.skew === null || pair.from > pair.to) {
        return [];
      }
      const ms = Math.max(0, Math.abs(pair.skew.ms) - pair.skew.errorMs);
      if (ms < 300) {
        return [];
      }
      const shown = ms >= 10_000 ? `${Math.round(ms / 1000)} s` : `${Math.round(ms)} ms`;
      const late = pair.skew.ms > 0 ? pair.from : pair.to;
      return [
        {
          severity: ms >= 30_000 ? ('fail' as const) : ('warn' as const),
          message:
            `The clocks of ${pair.from} and ${pair.to} differ by ${shown} (${late} is behind); ` +
            `${ms >= 30_000 ? 'certificates would not be valid everywhere' : '300 ms are advised'}.`,
          remedy:
            'Set the clock of ' +
            `${list(members.filter((m) => m.name === pair.from || m.name === pair.to).map((m) => m.name))}, or let ` +
            'one node be the time source of the others (chrony).',
        },
      ];
    });
  },
};
