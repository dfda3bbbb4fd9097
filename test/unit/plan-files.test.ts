import { appendFileSync, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { openEvents, retireEvents } from '../../installer/plan/events.ts';
import { operationFiles } from '../../installer/plan/files.ts';
import { follow } from '../../installer/plan/follow.ts';
import { openJournal, readJournal } from '../../installer/plan/journal.ts';
import { openLines, readLines } from '../../installer/plan/lines.ts';
import type { PlanEvent } from '../../installer/plan/types.ts';

t.test('lines survive a torn last one, which the next writer cuts off', async (t) => {
  const path = join(t.testdir(), 'new/folder/lines.jsonl');
  const first = openLines(path);
  first.append({ n: 1 }, { sync: true });
  first.append({ n: 2 }, { sync: false });
  first.close();
  appendFileSync(path, '{"n":3,"text":"half');
  t.same(readLines(path), [{ n: 1 }, { n: 2 }]);
  const second = openLines(path);
  second.append({ n: 4 }, { sync: true });
  second.close();
  t.equal(readFileSync(path, 'utf8'), '{"n":1}\n{"n":2}\n{"n":4}\n');
  t.equal(statSync(path).mode & 0o777, 0o600);
  t.equal(statSync(join(path, '..')).mode & 0o777, 0o700);
});

t.test('a file that is nothing but a torn line is begun anew', async (t) => {
  const path = join(t.testdir({ lines: '{"n":' }), 'lines');
  const lines = openLines(path);
  lines.append(1, { sync: true });
  lines.close();
  t.same(readLines(path), [1]);
});

t.test('the journal tells the last state of each leaf', async (t) => {
  const path = join(t.testdir(), 'journal.jsonl');
  const journal = openJournal(path, () => new Date(0));
  journal.record({ leaf: 'a/n1', state: 'in progress' });
  journal.record({ leaf: 'b/n1', state: 'in progress' });
  journal.record({ leaf: 'a/n1', state: 'completed', ms: 5 });
  journal.close();
  t.same(readJournal(path).get('a/n1'), { at: '1970-01-01T00:00:00.000Z', leaf: 'a/n1', state: 'completed', ms: 5 });
  t.equal(readJournal(path).get('b/n1')?.state, 'in progress');
  t.same(readJournal(join(path, '..', 'none')).size, 0);
});

t.test('an id that would leave the folder is refused', async (t) => {
  for (const id of ['../x', '', 'A', 'a/b', '.', 'a'.repeat(81)]) {
    t.throws(() => operationFiles('/data', id), { code: 'bad-operation' });
  }
});

const end = { at: '', type: 'end', ok: true, ms: 1 } as const;
const waiting = (id: string): string => `${JSON.stringify({ at: '', type: 'waiting', id, for: 'x' })}\n`;

t.test('events of a run that ended are put aside, those of a killed one are not', async (t) => {
  const path = join(t.testdir(), 'events.jsonl');
  retireEvents(path);
  for (const n of [1, 2]) {
    const log = openEvents(path);
    log.emit({ type: 'waiting', id: 'a', for: `run ${n}` });
    log.close();
    retireEvents(path);
    t.ok(existsSync(path), 'killed');
    const again = openEvents(path);
    again.emit({ type: 'end', ok: false, ms: 1 });
    again.close();
    retireEvents(path);
    t.notOk(existsSync(path));
    t.match(readLines(path.replace('.jsonl', `.${n}.jsonl`)), [{ for: `run ${n}` }, { type: 'end' }]);
  }
});

t.test('following: from the beginning, lines as they come, also in pieces, until the end', async (t) => {
  const path = join(t.testdir(), 'events.jsonl');
  const seen: PlanEvent[] = [];
  const watching = (async () => {
    for await (const { event } of follow({
      path,
      from: 1,
      isAlive: async () => true,
      signal: new AbortController().signal,
      pollMs: 20,
    })) {
      seen.push(event);
    }
  })();
  const soon = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 60));
  await soon();
  writeFileSync(path, waiting('a'));
  appendFileSync(path, waiting('b').slice(0, 9));
  await soon();
  t.same(seen, []);
  appendFileSync(path, waiting('b').slice(9));
  await soon();
  t.match(seen, [{ id: 'b' }]);
  appendFileSync(path, `${JSON.stringify(end)}\n${waiting('c')}`);
  await watching;
  t.match(seen, [{ id: 'b' }, { type: 'end' }]);
  t.equal(seen.length, 2);
});

t.test('following: a line that a crash has torn and the next coordinator cut off is not seen', async (t) => {
  const path = join(t.testdir({ 'events.jsonl': `${waiting('a')}{"type":"wait` }), 'events.jsonl');
  const seen: PlanEvent[] = [];
  const watching = (async () => {
    for await (const { event } of follow({
      path,
      from: 0,
      isAlive: async () => true,
      signal: new AbortController().signal,
      pollMs: 10,
    })) {
      seen.push(event);
    }
  })();
  await new Promise((resolve) => setTimeout(resolve, 50));
  const log = openEvents(path);
  log.emit({ type: 'end', ok: true, ms: 1 });
  log.close();
  await watching;
  t.match(seen, [{ id: 'a' }, { type: 'end' }]);
});

t.test('a full disk is a failure with a remedy, and leaves whole lines only', async (t) => {
  const lines = openLines('/dev/full');
  t.throws(() => lines.append({ n: 1 }, { sync: true }), {
    name: 'Failure',
    code: 'cannot-write',
    message: '/dev/full cannot be written: the disk is full.',
  });
  lines.close();
});

t.test('following: no coordinator and no end is a failure with a remedy; an interrupt ends it', async (t) => {
  const dir = t.testdir({ 'events.jsonl': waiting('a') });
  const drain = async (isAlive: boolean, signal: AbortSignal): Promise<void> => {
    for await (const line of follow({
      path: join(dir, 'events.jsonl'),
      from: 0,
      isAlive: async () => isAlive,
      signal,
      pollMs: 10,
    })) {
      void line;
    }
  };
  await t.rejects(drain(false, new AbortController().signal), {
    name: 'Failure',
    code: 'coordinator-gone',
    remedy: /same command again/,
  });
  const abort = new AbortController();
  setTimeout(() => abort.abort(new Error('interrupted')), 50);
  await t.rejects(drain(true, abort.signal), { message: 'interrupted' });
});
