import type { Test } from 'tap';
import type { AuditEntry } from '../../../../src/api/audit.ts';
import type { Page } from '../../../../src/api/page.ts';
import { API_TOKEN, PASSWORD, until, type Answer } from '../../../support/local-cloud.ts';
import { body, by, root, type ApiClient } from './client.ts';

/** Registers the tests of refused logins. */
export function loginTests(t: Test, client: ApiClient): void {
  t.test(
    'refused logins are in the audit log, with name and address, and look the same for who exists and who does not',
    (t) => refusedLoginsAreRecorded(t, client),
  );
  t.test('of fifty guesses at once few are looked at, and nobody else waits for them', (t) =>
    guessesAreLimited(t, client),
  );
}

async function refusedLoginsAreRecorded(t: Test, { api, watching }: ApiClient): Promise<void> {
  const answers: Answer[] = [];
  for (const user of ['admin', 'nobody.of.that.name']) {
    answers.push(await api('login', { body: { user, password: 'wrong' } }));
  }
  t.same(
    answers.map((a) => a.status),
    [401, 401],
  );
  const [one, other] = answers.map((a) => body<Record<string, unknown>>(a));
  t.same({ ...one, requestId: '', instance: '' }, { ...other, requestId: '', instance: '' });
  for (const user of ['admin', 'nobody.of.that.name']) {
    const entry = await until(`the entry of ${user}`, async () =>
      body<Page<AuditEntry>>(await api(`audit?limit=500&resource=user/${user}`, root)).items.find(
        (e) => e.kind === 'login.failed',
      ),
    );
    t.match(entry, {
      actor: 'login/127.0.0.1',
      outcome: 'ok',
      changes: [{ resource: `user/${user}`, after: { failedLogins: 1, from: '127.0.0.1' } }],
    });
  }
  await api('login', { body: { user: 'admin', password: 'wrong' } });
  const watch = await watching(
    API_TOKEN,
    `topics=users,audit&since=${Number((await api('audit?limit=1', root)).headers['terrarium-seq'])}`,
  );
  await api('login', { body: { user: 'My Password 1', password: 'wrong' } });
  await until('the entry without a name', () =>
    watch.lines().some((l) => l.topic === 'audit' && JSON.stringify(l.item).includes('user/(no user name)'))
      ? true
      : undefined,
  );
  t.notOk(
    watch.lines().some((l) => l.topic === 'users'),
    'nobody has been changed',
  );
  watch.stop();
  t.notMatch((await api('audit?limit=500', root)).body, /My Password/);
  t.match(
    (await api('/metrics', root)).body,
    /terrarium_failed_logins_total\{recorded="yes"\} 3/,
    'the next one waits for its minute',
  );
}

async function guessesAreLimited(t: Test, { api, login, person }: ApiClient): Promise<void> {
  const session = await person('greta', 'viewer');
  const guesses = Array.from({ length: 50 }, () => api('login', { body: { user: 'greta', password: 'wrong' } }));
  const changed = api('password', { ...by(session), body: { current: 'second of greta', password: 'third of greta' } });
  const statuses = (await Promise.all(guesses)).map((a) => a.status);
  t.same([...new Set(statuses)].sort(), [401, 429]);
  // More only where the fifty took seconds to come.
  const looked = statuses.filter((s) => s === 401).length;
  t.ok(looked >= 5 && looked < 25, `${looked} were looked at`);
  t.equal((await changed).status, 200, 'her session changes the password');
  t.equal((await login('admin', PASSWORD)).passwordChange, 'offered', 'another user logs in from there');
  t.equal(
    (
      await until('her own turn', async () => {
        const answer = await api('login', { body: { user: 'greta', password: 'third of greta' } });
        return answer.status === 429 ? undefined : answer;
      })
    ).status,
    200,
  );
}
