import type { PreflightReport, Verdict } from './report.ts';

const SIGN = { fail: '✖', warn: '!', info: '·' };
const COLOUR = { fail: '\u001B[31m', warn: '\u001B[33m', info: '\u001B[2m', pass: '\u001B[32m' };
const RESET = '\u001B[0m';

export interface RenderOptions {
  colour: boolean;
  /** Leave out what is only informative. */
  quiet?: boolean;
}

/** The report for a terminal: grouped by machine, the worst first, each with its cause and its remedy. */
export function renderReport(report: PreflightReport, options: RenderOptions): string {
  const paint = (kind: keyof typeof COLOUR, text: string): string =>
    options.colour ? `${COLOUR[kind]}${text}${RESET}` : text;
  const groups = [
    ...report.machines.map((m) => ({
      title: `${m.name}  ${m.address}  ${m.role}`,
      findings: m.findings,
      passed: m.passed.length,
    })),
    { title: 'all machines together', findings: report.cluster.findings, passed: report.cluster.passed.length },
  ];
  const width = Math.max(12, ...groups.flatMap((g) => g.findings.map((f) => f.code.length)));
  const line = (f: Verdict): string[] => {
    const indent = ' '.repeat(width + 6);
    const kind = f.override === undefined ? f.severity : 'warn';
    const first = `  ${paint(kind, SIGN[kind])} ${f.code.padEnd(width)}  ${f.message}`;
    const overridden = f.override === undefined ? [] : [`${indent}ignored: ${f.override}`];
    return [
      first,
      ...(f.remedy === undefined || f.override !== undefined ? [] : [`${indent}→ ${f.remedy}`]),
      ...overridden,
    ];
  };
  const text = groups.flatMap((g) => {
    const shown = g.findings.filter((f) => options.quiet !== true || f.severity !== 'info');
    return [
      g.title,
      ...shown.flatMap(line),
      `  ${paint('pass', '✔')} ${g.passed} ${g.findings.length === 0 ? '' : 'other '}checks passed`,
      '',
    ];
  });
  return `${[...text, summary(report)].join('\n')}\n`;
}

export function summary(report: PreflightReport): string {
  const all = [...report.machines.flatMap((m) => m.findings), ...report.cluster.findings];
  const failures = all.filter((f) => f.severity === 'fail' && f.override === undefined).length;
  const warnings = all.filter((f) => f.severity === 'warn').length;
  const ignored = all.filter((f) => f.override !== undefined).length;
  const count = (n: number, word: string): string => `${n} ${word}${n === 1 ? '' : 's'}`;
  const parts = [
    count(failures, 'failure'),
    count(warnings, 'warning'),
    ...(ignored === 0 ? [] : [`${ignored} ignored`]),
  ];
  return (
    `Preflight of ${count(report.machines.length, 'machine')}: ${parts.join(', ')} (${(report.ms / 1000).toFixed(1)} ` +
    's).'
  );
}
