import type { Test } from 'tap';
import type { Page } from '../../../../src/api/page.ts';
import type { Token } from '../../../../src/api/users.ts';
import { API_TOKEN, until } from '../../../support/local-cloud.ts';
import { body, by, root, type ApiClient } from './client.ts';

/** Registers the tests of watches. */
export function watchTests(t: Test, client: ApiClient): void {
  t.test('a watch tells every change once, from where it was left, and ends with the session', (t) =>
    everyChangeOnce(t, client),
  );
  t.test('a watch by an API token ends where the owner loses a right that it needs, and only there', (t) =>
    endsWithTheRight(t, client),
  );
  t.test('a watch tells which tokens and sessions end with a user', (t) => tellsWhatEndsWithAUser(t, client));
}

async function everyChangeOnce(t: Test, { api, person, watching }: ApiClient): Promise<void> {
  const session = await person('wanda', 'admin');
  const from = Number((await api('users', root)).headers['terrarium-seq']);
  const watch = await watching(session, `topics=saved-queries,users&since=${from}`);
  await api('saved-queries/w', { method: 'PUT', ...root, body: { name: 'w', sql: 'select 1' } });
  await api('saved-queries/w', { method: 'PUT', ...root, body: { name: 'w', sql: 'select 2' } });
  await api('saved-queries/w', { method: 'DELETE', ...root });
  await until('three changes', () => (watch.lines().length >= 3 ? true : undefined), 3000);
  t.match(watch.lines(), [
    { topic: 'saved-queries', change: 'created', key: 'w' },
    { change: 'changed' },
    { change: 'deleted', item: null },
  ]);
  t.match(JSON.parse(/event: start\ndata: (.*)/.exec(watch.text())?.[1] ?? ''), {
    seq: from,
    version: Number,
    user: 'wanda',
    role: 'admin',
  });
  const again = await watching(session, 'topics=saved-queries', { 'last-event-id': String(watch.lines()[1]?.seq) });
  await until('the rest', () => (again.lines().length > 0 ? true : undefined), 3000);
  t.match(again.lines(), [{ change: 'deleted', key: 'w' }]);
  again.stop();
  const ahead = watching(session, 'topics=saved-queries', {
    'last-event-id': String(Number((await api('users', root)).headers['terrarium-seq']) + 1),
  });
  const early = await Promise.race([
    ahead.then(
      () => 'answered',
      (error: Error) => error.message,
    ),
    new Promise((resolve) => setTimeout(resolve, 200, 'it waits')),
  ]);
  t.equal(early, 'it waits', 'one that has seen on another instance what is not here yet');
  await api('saved-queries/ahead', { method: 'PUT', ...root, body: { name: 'ahead', sql: 'select 1' } });
  await api('saved-queries/ahead', { method: 'DELETE', ...root });
  await until('what came after', async () => ((await ahead).lines().length > 0 ? true : undefined));
  t.match((await ahead).lines(), [{ change: 'deleted', key: 'ahead' }]);
  (await ahead).stop();
  t.equal((await api(`watch?topics=users&since=${from + 100_000}`, by(session))).status, 410);
  t.equal((await api('watch?topics=users', by(await person('walt', 'viewer')))).status, 403);
  await api('users/wanda/sessions', { method: 'DELETE', ...root });
  await until(
    'its end',
    () => (watch.text().includes('event: end\ndata: {"reason":"session"}') ? true : undefined),
    3000,
  );
  t.pass();
}

async function endsWithTheRight(t: Test, { api, person, watching }: ApiClient): Promise<void> {
  const session = await person('anton', 'admin');
  const { token } = body<{ token: string }>(
    await api('tokens', { ...by(session), body: { name: 'all', scopes: ['read', 'admin'] } }),
  );
  const users = await watching(token, 'topics=users,saved-queries');
  const queries = await watching(token, 'topics=saved-queries');
  t.equal((await api('users/anton', { method: 'PATCH', ...root, body: { role: 'viewer' } })).status, 200);
  await until('its end', () => (users.text().includes('event: end\ndata: {"reason":"session"}') ? true : undefined));
  t.same(users.lines(), [], 'nothing more was told');
  await api('saved-queries/still', { method: 'PUT', ...root, body: { name: 'still', sql: 'select 1' } });
  await until('a change', () => (queries.lines().some((l) => l.key === 'still') ? true : undefined));
  t.notMatch(queries.text(), /event: end/);
  queries.stop();
}

async function tellsWhatEndsWithAUser(t: Test, { api, person, watching }: ApiClient): Promise<void> {
  const session = await person('emil', 'viewer');
  const { id } = body<Token>(await api('tokens', { ...by(session), body: { name: 'a', scopes: ['read'] } }));
  const {
    items: [own],
  } = body<Page<{ id: string }>>(await api('sessions', by(session)));
  const watch = await watching(API_TOKEN, 'topics=tokens,sessions');
  t.equal((await api('users/emil', { method: 'DELETE', ...root })).status, 204);
  await until('both', () => (watch.lines().length >= 2 ? true : undefined));
  t.match(watch.lines(), [
    { topic: 'tokens', change: 'deleted', key: id, item: null },
    { topic: 'sessions', change: 'deleted', key: own?.id, item: null },
  ]);
  watch.stop();
}
