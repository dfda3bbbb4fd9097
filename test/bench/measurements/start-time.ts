import { spawnSync } from 'node:child_process';
import { TERRARIUM } from '../../e2e/support/terrarium.ts';
import { table, type Measurement } from '../measurement.ts';

const RUNS = 20;

/** What every command pays before it does anything. */
export const measurement: Measurement = {
  title: 'Start of the executable',
  needsLab: false,
  async run() {
    const ms = Array.from({ length: RUNS }, () => {
      const began = performance.now();
      const { status, stderr } = spawnSync(TERRARIUM, ['--version'], { encoding: 'utf8' });
      if (status !== 0) {
        throw new Error(`terrarium --version: exit ${status}: ${stderr}`);
      }
      return performance.now() - began;
    }).sort((a, b) => a - b);
    const [min = 0, median = 0, max = 0] = [ms[0], ms[RUNS / 2], ms[RUNS - 1]].map((n) => Math.round(n ?? 0));
    return {
      data: { runs: RUNS, min, median, max },
      markdown: `\`terrarium --version\` from start to end, ${RUNS} runs, ms:

${table(['command', 'min', 'median', 'max'], [['`terrarium --version`', min, median, max]])}`,
    };
  },
};
