import t from 'tap';
import { slowestFiles, timesByPart } from '../runner/report.ts';
import { tapStream } from '../runner/tap-stream.ts';

/** What tap prints of two files side by side, and of one by itself; the second one of them has a failure. */
const STREAM = `TAP version 14
ok 1 - test/unit/first.test.ts # time=1500.5ms {
    ok 1 - a test # time=3.2ms {
        ok 1 - an assertion
        ok 2 - another one
        1..2
    }
    ok 2 - a skipped one # SKIP no kernel for it
    1..2
}

not ok 2 - test/unit/second.test.ts # time=2s {
    not ok 1 - a test with a fault # time=4ms {
        ok 1 - what holds
        # what led to it
        not ok 2 - what does not
          ---
          found: 1
          ...
        1..2
    }
    1..1
}

# Subtest: test/unit/third.test.ts
    # Subtest: a test
        ok 1 - an assertion
        1..1
    ok 1 - a test # time=1ms
    1..1
ok 3 - test/unit/third.test.ts # time=20ms
1..3`;

t.test('test runner: assertions are counted, files are timed, and what failed is shown', async (t) => {
  const stream = tapStream();
  const shown = STREAM.split('\n').flatMap((line) => stream.take(line) ?? []);
  t.equal(stream.passed(), 4);
  t.ok(stream.failed() > 0);
  t.strictSame(stream.files(), [
    { name: 'test/unit/first.test.ts', ms: 1500.5 },
    { name: 'test/unit/second.test.ts', ms: 2000 },
    { name: 'test/unit/third.test.ts', ms: 20 },
  ]);
  t.match(shown[0], '  test/unit/first.test.ts # time=1500.5ms');
  t.ok(shown.some((line) => line.includes('not ok 2 - what does not')));
  t.ok(shown.some((line) => line.includes('found: 1')));
  t.ok(
    shown.some((line) => line.includes('# what led to it')),
    'the comments before it, too',
  );
  t.notOk(shown.some((line) => line.includes('what holds') || line.includes('an assertion')));
});

t.test('test runner: the slowest files come first, and the time of each part adds up', async (t) => {
  const files = Array.from({ length: 30 }, (_, i) => ({ name: `${i}.test.ts`, ms: i * 1000 }));
  const lines = slowestFiles(files);
  t.equal(lines.length, 21);
  t.match(lines[1], '    29.0 s  29.test.ts');
  const parts = [
    { title: 'build', seconds: 61.2 },
    { title: 'unit', seconds: 40.4 },
  ];
  t.equal(timesByPart(parts), 'Time: build 61 s, unit 40 s, in all 102 s');
});
