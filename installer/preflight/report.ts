import { EXIT, type ExitCode } from '../../src/errors.ts';
import type { Check, ClusterContext, Finding, Member, Operation } from './check.ts';
import type { Facts } from './facts/facts.ts';
import type { Pair } from './matrix/result.ts';
import type { Override } from './override.ts';

/** A finding with its check; `override` is the administrator's reason to go on in spite of it. */
export interface Verdict extends Finding {
  code: string;
  override?: string;
}

export interface MachineReport {
  name: string;
  address: string;
  role: string;
  findings: Verdict[];
  /** Codes of the checks without any finding. */
  passed: string[];
  facts: Facts;
}

export interface PreflightReport {
  /** Nothing stands in the way: no failure but overridden ones. */
  ok: boolean;
  exitCode: ExitCode;
  machines: MachineReport[];
  /** What concerns several machines. */
  cluster: { findings: Verdict[]; passed: string[] };
  pairs: Pair[];
  /** Overrides that were used or given; recorded in the operation's journal. */
  overrides: Override[];
  ms: number;
}

export interface Judged {
  members: Member[];
  context: ClusterContext;
  pairs: Pair[];
  overrides: Override[];
  operation: Operation;
}

/** Judges all facts by all checks; pure. */
export function judge(checks: Check[], judged: Judged): Omit<PreflightReport, 'ms'> {
  const { members, context, pairs, overrides } = judged;
  const active = checks.filter((c) => c.operations.includes(judged.operation));
  const verdict = (check: Check, finding: Finding): Verdict => {
    const override = overrides.find((o) => o.check === check.code)?.reason;
    const { severity, message, remedy, fixable } = finding;
    return {
      code: check.code,
      severity,
      message,
      ...(remedy === undefined ? {} : { remedy }),
      ...(fixable === undefined ? {} : { fixable }),
      ...(finding.severity === 'fail' && override !== undefined ? { override } : {}),
    };
  };
  const shared = active.flatMap((check) =>
    check.scope === 'cluster' ? [{ check, findings: check.judge(members, context, pairs) }] : [],
  );
  const machines = members.map((member): MachineReport => {
    const findings: Verdict[] = [];
    const passed: string[] = [];
    for (const check of active) {
      if (check.scope !== 'host') {
        continue;
      }
      const found = check.judge(member, context);
      if (found.length === 0) {
        passed.push(check.code);
      }
      findings.push(...found.map((f) => verdict(check, f)));
    }
    for (const { check, findings: found } of shared) {
      findings.push(...found.filter((f) => f.host === member.name).map((f) => verdict(check, f)));
    }
    return {
      name: member.name,
      address: member.address,
      role: member.role,
      findings: findings.toSorted(bySeverity),
      passed,
      facts: member.facts,
    };
  });
  const cluster = {
    findings: shared
      .flatMap(({ check, findings }) => findings.filter((f) => f.host === undefined).map((f) => verdict(check, f)))
      .toSorted(bySeverity),
    passed: shared.filter((s) => s.findings.length === 0).map((s) => s.check.code),
  };
  const all = [...machines.flatMap((m) => m.findings), ...cluster.findings];
  const failed = all.some((f) => f.severity === 'fail' && f.override === undefined);
  const warned = all.some((f) => f.severity === 'warn' || f.severity === 'fail');
  return {
    ok: !failed,
    exitCode: exitCodeOf(failed, warned),
    machines,
    cluster,
    pairs,
    overrides,
  };
}

function exitCodeOf(failed: boolean, warned: boolean): ExitCode {
  if (failed) {
    return EXIT.preflightFailed;
  }
  return warned ? EXIT.preflightWarnings : EXIT.ok;
}

const ORDER = { fail: 0, warn: 1, info: 2 };

function bySeverity(a: Finding, b: Finding): number {
  return ORDER[a.severity] - ORDER[b.severity];
}
