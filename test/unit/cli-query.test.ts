import { PassThrough } from 'node:stream';
import t from 'tap';
import type { QueryLine } from '../../src/api/queries.ts';
import type { ScheduleRun } from '../../src/api/schedules.ts';
import type { Io } from '../../src/cli/command.ts';
import { printerFor } from '../../src/cli/query-printer.ts';
import { printRun } from '../../src/cli/schedule-results.ts';
import type { CloudClient } from '../../src/context/client.ts';
import { explain } from '../../src/errors.ts';

const EVIL = '\u001b[2J\u0007\u009b1m';
const part = { q: 'abcdefgh', sat: 'n1' };

function terminal(): { io: Io; out(): string; err(): string } {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const all = (stream: PassThrough) => (): string => String(stream.read() ?? '');
  return {
    io: { stdout, stderr, stdin: new PassThrough(), env: {}, signal: new AbortController().signal },
    out: all(stdout),
    err: all(stderr),
  };
}

function printed(options: { json?: boolean; csv?: boolean }, ...lines: QueryLine[]): { out: string; err: string } {
  const { io, out, err } = terminal();
  const printer = printerFor(io, options);
  for (const line of lines) {
    printer.print(line);
  }
  printer.finish();
  return { out: out(), err: err() };
}

t.test('what satellites say cannot steer the terminal: columns, values, errors, names', async (t) => {
  const { out, err } = printed(
    {},
    { ...part, seq: 0, columns: [`a${EVIL}`], rows: [[`b${EVIL}`]] },
    { ...part, sat: `x${EVIL}`, error: { code: 'x', message: `c${EVIL}` } },
  );
  t.match(out, /satellite +a/);
  t.match(err, /c/);
  // oxlint-disable-next-line no-control-regex -- control characters are what must not be there
  t.notMatch(out + err, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
});

t.test('nor can what is said of a run, or a failure that quotes it', async (t) => {
  const { io, err } = terminal();
  const client = { async *lines() {} } as unknown as CloudClient;
  const run = {
    schedule: 's',
    number: 1,
    state: 'failed',
    reason: `because${EVIL}`,
    cut: '',
    rows: 0,
    kept: 0,
  } as unknown as ScheduleRun;
  await printRun(client, run, printerFor(io, {}), io);
  process.exitCode = 0;
  const said = err() + explain({ code: 'x', message: `no ${EVIL}`, remedy: 'Two\nlines.' });
  t.match(said, /Run 1 of s: failed: because .*Two\nlines\./s);
  // oxlint-disable-next-line no-control-regex -- control characters are what must not be there
  t.notMatch(said, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
});

t.test('what was cut off says by which option there is more', async (t) => {
  t.match(printed({}, { ...part, end: { rows: 5, ms: 1, truncated: 'rows' } }).err, /n1: .*5 rows.*--max-rows/);
  for (const format of [{}, { csv: true }, { json: true }]) {
    t.match(
      printed(format, { ...part, end: { rows: 5, ms: 1, truncated: 'bytes' } }).err,
      /n1: .*5 rows.*--max-bytes/,
      JSON.stringify(format),
    );
  }
});

t.end();
