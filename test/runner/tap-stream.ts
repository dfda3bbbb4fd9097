/** One test file that has ended. */
export interface EndedFile {
  name: string;
  /** Milliseconds that it took. */
  ms: number;
}

/** Follows what tap prints (TAP 14). */
export interface TapStream {
  /** Takes the next line. @returns what of it a person wants to see: the names of files, and all of what failed */
  take(line: string): string | undefined;
  /** Assertions so far. A test that holds assertions of its own is none, and neither is a skipped one. */
  passed(): number;
  failed(): number;
  files(): readonly EndedFile[];
}

const FILE = /^(?:not )?ok \d+ - (\S+\.test\.ts)(?: # time=([\d.]+)(ms|s|m)?)?/;
/** A test's own, not tap's. */
const COMMENT = /^\s+# (?!Subtest: |time=)/;
const MS: Record<string, number> = { ms: 1, s: 1000, m: 60_000 };

/**
 * Assertions are told from tests and files by the indentation. `test/unit/runner.test.ts` has an example of the stream.
 */
export function tapStream(): TapStream {
  const files: EndedFile[] = [];
  let passed = 0;
  let failed = 0;
  let showing = false;
  /** Comments since the last result: of a failure they are told, too. */
  let comments: string[] = [];
  return {
    passed: () => passed,
    failed: () => failed,
    files: () => files,
    take(line) {
      const [, name, time = '0', unit = 'ms'] = FILE.exec(line) ?? [];
      if (name !== undefined) {
        files.push({ name, ms: Number(time) * (MS[unit] ?? 1) });
      }
      if (/^\s*not ok \d+/.test(line)) {
        const told = showing ? [line] : [...comments, line];
        failed += 1;
        showing = true;
        comments = [];
        return told.join('\n');
      }
      if (!showing && COMMENT.test(line)) {
        comments.push(line);
      }
      if (/^\s*ok \d+/.test(line)) {
        showing = false;
        comments = [];
        passed += /^\s+ok \d+/.test(line) && !line.endsWith(' {') && !/ # (time|SKIP|TODO)/.test(line) ? 1 : 0;
      }
      if (showing) {
        return line;
      }
      return name === undefined ? undefined : `  ${line.replace(/^ok \d+ - /, '').replace(/ \{$/, '')}`;
    },
  };
}
