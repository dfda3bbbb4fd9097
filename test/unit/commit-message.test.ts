import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';

const HOOK = join(import.meta.dirname, '../../.githooks/commit-msg');

/** What the hook says of a commit message: the empty string where it takes it. */
function said(t: Test, message: string): string {
  const file = join(t.testdir(), 'COMMIT_EDITMSG');
  writeFileSync(file, message);
  const { status, stderr } = spawnSync('/bin/bash', [HOOK, file], { encoding: 'utf8' });
  t.equal(status === 0, stderr === '', stderr);
  return stderr;
}

t.test('commit hook: an area and an imperative are taken', async (t) => {
  for (const message of [
    'store: refuse a command that is nested too deep\n\nSQLite ends at 1,000 levels.\n',
    'build.sh, test/run: print the time of each part\n',
    'cloud: process what waits\n',
    'cli: re-read the context\n',
    '# a comment of the editor\n\ndocs: tell how the hook is set\n# another\n',
    "Merge branch 'access'\n",
    'Revert "store: refuse a command"\n',
  ]) {
    t.equal(said(t, message), '', message);
  }
});

t.test('commit hook: other subjects are refused with what is wrong and an example', async (t) => {
  for (const [message, why] of [
    ['', /is empty/],
    ['# only comments\n', /is empty/],
    ['Whether it is damage is judged by one place\n', /no area/],
    ['store: Refuse a command\n', /no area and no verb/],
    ['store: refuse\n', /no area and no verb/],
    ['store: refuses a command\n', /not imperative \('refuses'\)/],
    ['store: refused a command\n', /not imperative/],
    ['store: refusing a command\n', /not imperative/],
    ['store: the command is refused\n', /does not begin with a verb but with 'the'/],
    ['store: refuse a command.\n', /full stop/],
    ['fixup! store: refuse a command\n', /part of another one/],
    [`store: refuse ${'x'.repeat(59)}\n`, /has 73 characters/],
  ] as const) {
    const text = said(t, message);
    t.match(text, why, message);
    t.match(text, /Write it as `area: verb …`, such as/);
  }
  t.equal(said(t, `store: refuse ${'x'.repeat(58)}\n`), '', '72 characters');
});
