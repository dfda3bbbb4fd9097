import { EXIT, Failure } from '../../src/errors.ts';

/** One check that may fail, with the reason that the administrator gave; recorded in report and journal. */
export interface Override {
  check: string;
  reason: string;
}

/** @throws Failure `usage` for anything but CODE=REASON. */
export function parseOverrides(values: string[]): Override[] {
  return values.map((value) => {
    const at = value.indexOf('=');
    const check = value.slice(0, Math.max(at, 0)).trim();
    const reason = value.slice(at + 1).trim();
    if (at < 1 || !/^[a-z0-9-]+$/.test(check) || reason.length < 3) {
      throw new Failure('usage', `--ignore ${value} does not say why.`, {
        remedy: 'Write --ignore CODE=REASON, for instance --ignore "memory=small test machine".',
        exitCode: EXIT.usage,
      });
    }
    return { check, reason };
  });
}
