import { renderReport, summary } from '../../installer/preflight/render.ts';
import type { PreflightReport } from '../../installer/preflight/report.ts';
import { Failure } from '../errors.ts';
import type { Io } from './command.ts';

/**
 * Prints what a preflight has found before an operation that changes machines.
 * @param operation as in `ready for an install`
 * @throws Failure `preflight-failed` (exit 3) where something stands in the way.
 */
export function tellPreflight(report: PreflightReport, operation: string, io: Io, json: boolean): void {
  const { ok, exitCode, overrides, ms } = report;
  const findings = [
    ...report.cluster.findings,
    ...report.machines.flatMap((m) => m.findings.map((f) => ({ ...f, machine: m.name }))),
  ];
  if (json) {
    io.stdout.write(
      `${JSON.stringify({ type: 'preflight', at: new Date().toISOString(), ok, ms, overrides, findings })}\n`,
    );
  } else {
    io.stdout.write(
      ok ? `${summary(report)}\n` : renderReport(report, { colour: io.stdout.isTTY === true, quiet: true }),
    );
  }
  if (ok) {
    return;
  }
  const machines = report.machines.length === 1 ? 'The machine is' : 'The machines are';
  throw new Failure('preflight-failed', `${machines} not ready for ${operation}.`, {
    remedy:
      'Do what is said above, or go on in spite of a check with --ignore CODE=REASON; then run the same command again.',
    exitCode,
  });
}
