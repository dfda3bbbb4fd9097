import t from 'tap';
import { createFailedLogins, type FailedLogins } from '../../src/cloud/auth/failed-logins.ts';

function watched(t: { teardown(fn: () => void): void }) {
  let now = 1_000_000;
  const written: FailedLogins[] = [];
  const counts = { yes: 0, no: 0 };
  const failures = createFailedLogins({
    record: (entry) => Promise.resolve(written.push(entry)),
    counted: (n, recorded) => (counts[recorded ? 'yes' : 'no'] += n),
    log: () => undefined,
    now: () => now,
  });
  t.teardown(() => failures.stop());
  return { failures, written, counts, pass: (ms: number) => ((now += ms), failures.tick(), now) };
}

t.test('the first at once, and then each name and address once a minute with how often', async (t) => {
  const { failures, written, counts, pass } = watched(t);
  failures.failed('eva', '10.0.0.1');
  t.match(written, [{ user: 'eva', address: '10.0.0.1', count: 1, first: 1_000_000, last: 1_000_000 }]);
  pass(1_000);
  for (let i = 0; i < 99; i += 1) {
    failures.failed('eva', '10.0.0.1');
  }
  pass(1_000);
  failures.failed('eva', '10.0.0.1');
  t.equal(written.length, 1);
  pass(58_000);
  t.match(written.slice(1), [{ user: 'eva', count: 100, first: 1_001_000, last: 1_002_000 }]);
  pass(59_000);
  failures.failed('eva', '10.0.0.1');
  t.equal(written.length, 2, 'the minute runs from the last entry');
  pass(1_000);
  t.match(written.slice(2), [{ count: 1 }]);
  pass(60_000);
  pass(60_000);
  failures.failed('eva', '10.0.0.1');
  t.equal(written.length, 4, 'one that comes after a quiet minute is told at once again');
  failures.failed('eva', '10.0.0.2');
  failures.failed('tom', '10.0.0.1');
  t.equal(written.length, 6, 'others are told by themselves');
  t.same(counts, { yes: 105, no: 0 });
});

t.test('who tries thousands of names fills neither the log nor the memory, and all are counted', async (t) => {
  const { failures, written, counts, pass } = watched(t);
  let tries = 0;
  for (let minute = 0; minute < 60; minute += 1) {
    for (let i = 0; i < 2_000; i += 1) {
      failures.failed(`name${tries}`, `10.0.${minute}.${i % 256}`);
      tries += 1;
    }
    for (let s = 0; s < 60; s += 1) {
      pass(1_000);
    }
  }
  pass(20 * 60_000);
  t.ok(written.length >= 20 && written.length <= 20 + 80 + 2, `${written.length} entries in 80 minutes`);
  const rest = written.filter((e) => e.user === '*');
  t.ok(rest.length >= 1 && rest.length <= 9);
  t.match(rest[0], { address: '*', first: 1_000_000 });
  t.equal(
    written.reduce((n, e) => n + e.count, 0),
    tries,
    'the entries sum up to all of them',
  );
  t.equal(counts.yes + counts.no, tries);
});

t.test('of what was typed as a name only what can be one is kept: it may be a password', async (t) => {
  const { failures, written, pass } = watched(t);
  for (const typed of ['Correct Horse Battery', 'S3cret!', 'a\u001b[31m\n\u202eb', 'x'.repeat(65), '*', '']) {
    failures.failed(typed, '10.0.0.1');
  }
  failures.failed('eva@example.com', '10.0.0.1');
  pass(60_000);
  t.same(
    written.map((e) => [e.user, e.count]),
    [
      ['(no user name)', 1],
      ['eva@example.com', 1],
      ['(no user name)', 5],
    ],
  );
});

t.test('that the log takes nothing now is no matter for who logs in', async (t) => {
  const said: string[] = [];
  const failures = createFailedLogins({
    record: () => Promise.reject(new Error('no quorum')),
    counted: () => undefined,
    log: (line) => said.push(line),
  });
  t.teardown(() => failures.stop());
  failures.failed('eva', '10.0.0.1');
  await new Promise((resolve) => setImmediate(resolve));
  t.match(said, [/failed logins were not recorded: no quorum/]);
});
