import { appendFileSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import t from 'tap';
import { CriLines, MAX_MESSAGE_BYTES, type LogLine } from '../../src/satellite/collector/logs/cri.ts';
import { LogFile } from '../../src/satellite/collector/logs/file.ts';

const NOW = Date.parse('2026-11-21T13:00:00Z');

const seed = Number(process.env['TERRARIUM_SEED'] ?? 20261121);

function all(file: LogFile, budget = 128 * 1024): LogLine[] {
  const lines: LogLine[] = [];
  for (let i = 0; i < 1_000; i += 1) {
    const read = file.read(budget, NOW);
    lines.push(...read.lines);
    if (!read.more) {
      return lines;
    }
  }
  throw new Error('it never ends');
}

const cri = (text: string, tag = 'F', stream = 'stdout'): string =>
  `2026-11-21T12:00:00.123456789Z ${stream} ${tag} ${text}\n`;
const messages = (lines: LogLine[]): string[] => lines.map((l) => l.message);

t.test('a line, its pieces, and what is no such line', async (t) => {
  const lines = new CriLines();
  t.strictSame(lines.add('2026-11-21T14:00:00.123456789+02:00 stderr F hello  world ', NOW), {
    unixMs: Date.parse('2026-11-21T12:00:00.123Z'),
    stream: 'stderr',
    message: 'hello  world ',
  });
  t.match(lines.add('2026-11-21T12:00:00.1Z stdout F', NOW), { message: '' });
  t.match(lines.add('2026-11-21T12:00:00.1Z stdout F ', NOW), { message: '' });
  t.equal(lines.add('2026-11-21T12:00:01Z stdout P one ', NOW), undefined);
  t.match(lines.add('2026-11-21T12:00:02Z stderr F between', NOW), { message: 'between' });
  t.equal(lines.add('2026-11-21T12:00:03Z stdout P:tag two ', NOW), undefined);
  const later = new CriLines(lines.state);
  t.strictSame(later.add('2026-11-21T12:00:04Z stdout F three', NOW), {
    unixMs: Date.parse('2026-11-21T12:00:01Z'),
    stream: 'stdout',
    message: 'one two three',
  });
  t.strictSame(later.add('panic: something else', NOW), {
    unixMs: NOW,
    stream: 'stdout',
    message: 'panic: something else',
  });
});

t.test('a line without end takes no memory without end', async (t) => {
  const lines = new CriLines();
  for (let i = 0; i < 100; i += 1) {
    lines.add(`2026-11-21T12:00:01Z stdout P ${'é'.repeat(8_000)}`, NOW);
  }
  t.ok(lines.state.length < 2 * MAX_MESSAGE_BYTES);
  const { message } = lines.add('2026-11-21T12:00:01Z stdout F end', NOW) as LogLine;
  t.match(message, /é … \(1534467 bytes left out\)$/);
});

t.test('however it is cut and whenever it is read, every line comes once and whole', async (t) => {
  t.comment(`TERRARIUM_SEED=${seed}`);
  const line = fc.record({
    stream: fc.constantFrom('stdout', 'stderr'),
    pieces: fc.array(
      fc.string({ unit: 'grapheme', maxLength: 20 }).map((s) => s.replace(/[\n\r]/g, '')),
      { minLength: 1, maxLength: 4 },
    ),
  });
  fc.assert(
    fc.property(
      fc.array(line, { maxLength: 20 }),
      fc.infiniteStream(fc.nat({ max: 60 })),
      fc.boolean(),
      (written, cuts, restarts) => {
        const dir = t.testdir({});
        const path = join(dir, '0.log');
        const bytes = Buffer.from(
          written
            .map((w) => w.pieces.map((p, i) => cri(p, i === w.pieces.length - 1 ? 'F' : 'P', w.stream)).join(''))
            .join(''),
        );
        writeFileSync(path, '');
        let file = new LogFile(path, undefined, false);
        const got: LogLine[] = [];
        for (let at = 0; at < bytes.length;) {
          const cut = (cuts.next().value as number) + 1;
          appendFileSync(path, bytes.subarray(at, at + cut));
          at += cut;
          got.push(...all(file));
          if (!restarts) {
            continue;
          }
          const { stored } = file;
          file.close();
          file = new LogFile(path, JSON.parse(JSON.stringify(stored)), true);
        }
        file.close();
        const wanted = written.map((w) => ({
          unixMs: Date.parse('2026-11-21T12:00:00.123Z'),
          stream: w.stream,
          message: w.pieces.join(''),
        }));
        t.strictSame(got, wanted);
      },
    ),
    { seed, numRuns: 60 },
  );
});

t.test('rotation: the last lines of the old file, then the new one', async (t) => {
  const path = join(t.testdir({}), '0.log');
  writeFileSync(path, cri('one'));
  const file = new LogFile(path, undefined, false);
  t.strictSame(messages(all(file)), ['one']);
  appendFileSync(path, cri('two'));
  renameSync(path, `${path}.20261121-120000`);
  appendFileSync(`${path}.20261121-120000`, cri('three'));
  writeFileSync(path, cri('four'));
  t.strictSame(messages(file.read(1_000_000, NOW).lines), ['two', 'three']);
  appendFileSync(`${path}.20261121-120000`, cri('late'));
  t.strictSame(messages(all(file)), ['late', 'four']);
  file.close();
});

t.test('rotation while nobody reads', async (t) => {
  const path = join(t.testdir({}), '0.log');
  writeFileSync(path, cri('one') + cri('half', 'P'));
  const before = new LogFile(path, undefined, false);
  t.strictSame(messages(all(before)), ['one']);
  before.close();
  appendFileSync(path, cri(' and half'));
  renameSync(path, `${path}.20261121-120000`);
  writeFileSync(`${path}.20261121-110000.gz`, gzipSync('older'));
  writeFileSync(path, cri('two'));
  t.strictSame(messages(all(new LogFile(path, before.stored, true))), ['half and half', 'two']);
  rmSync(`${path}.20261121-120000`);
  t.strictSame(
    messages(all(new LogFile(path, before.stored, true))),
    ['two'],
    'where the old one has been compressed meanwhile, it is lost',
  );
});

t.test('what could not be kept is read again, also across a rotation', async (t) => {
  const path = join(t.testdir({}), '0.log');
  writeFileSync(path, cri('one') + cri('half', 'P'));
  const file = new LogFile(path, undefined, false);
  t.strictSame(messages(all(file)), ['one']);
  const before = file.stored;
  appendFileSync(path, cri(' and half'));
  t.strictSame(messages(all(file)), ['half and half']);
  file.rewind(before);
  t.strictSame(messages(all(file)), ['half and half']);
  renameSync(path, `${path}.20261121-120000`);
  writeFileSync(path, cri('two'));
  t.strictSame(messages(all(file)), ['two']);
  file.rewind(before);
  t.strictSame(messages(all(file)), ['half and half', 'two']);
  file.close();
});

t.test('truncated in place', async (t) => {
  const path = join(t.testdir({}), '0.log');
  writeFileSync(path, cri('a long first line') + cri('x'));
  const file = new LogFile(path, undefined, false);
  t.equal(all(file).length, 2);
  truncateSync(path);
  appendFileSync(path, cri('new'));
  t.strictSame(messages(all(file)), ['new']);
  file.close();
});

t.test('at the first start only the end of a large file; further behind than 4 MiB is skipped, and said', async (t) => {
  const path = join(t.testdir({}), '0.log');
  const line = cri('x'.repeat(100));
  writeFileSync(path, line.repeat(10_000));
  const file = new LogFile(path, undefined, true);
  const first = all(file);
  t.ok(first.length > 1_500 && first.length < 2_000, `${first.length} lines`);
  t.ok(
    first.every((l) => l.message.length === 100),
    'the first one is whole',
  );
  appendFileSync(path, line.repeat(50_000));
  const [skipped, ...rest] = all(file);
  t.match(skipped, { stream: 'skipped', message: /^\d+ bytes were left out here/ });
  t.equal(
    Number.parseInt(skipped?.message ?? '', 10) + rest.length * line.length,
    50_000 * line.length,
    'what is left out and what comes is all there was',
  );
  file.close();
});

t.test('no whole line in all that may be read at once', async (t) => {
  const path = join(t.testdir({}), '0.log');
  writeFileSync(path, 'x'.repeat(400_000));
  appendFileSync(path, `\n${cri('after')}`);
  const file = new LogFile(path, undefined, false);
  t.strictSame(messages(all(file)).slice(-1), ['after']);
  file.close();
});

t.test('a file that may not be read says so; one that is gone does not', async (t) => {
  const dir = t.testdir({ '0.log': { isFolder: '' } });
  t.throws(() => new LogFile(join(dir, '0.log'), undefined, false).read(100, NOW), { code: 'EISDIR' });
  t.strictSame(new LogFile(join(dir, '1.log'), undefined, false).read(100, NOW), { lines: [], bytes: 0, more: false });
});
