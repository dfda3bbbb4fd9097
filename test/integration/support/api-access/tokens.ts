import type { Test } from 'tap';
import type { Page } from '../../../../src/api/page.ts';
import type { Token } from '../../../../src/api/users.ts';
import { body, by, root, type ApiClient } from './client.ts';

/** Registers the tests of API tokens. */
export function tokenTests(t: Test, client: ApiClient): void {
  t.test(
    'API tokens: shown once, with no more rights than asked for and had, ended by deletion and with their owner',
    (t) => endsWithItsOwner(t, client),
  );
  t.test('a token sees and ends nothing of its owner but itself, unless it may administer', (t) =>
    seesOnlyItself(t, client),
  );
}

async function endsWithItsOwner(t: Test, { api, person }: ApiClient): Promise<void> {
  const session = await person('tom', 'operator');
  t.equal((await api('tokens', { ...by(session), body: { name: 'too much', scopes: ['admin'] } })).status, 403);
  t.equal(
    (await api('tokens', { ...by(session), body: { name: 'too long', scopes: ['read'], days: 366 } })).status,
    400,
  );
  const made = await api('tokens', { ...by(session), body: { name: 'scraper', scopes: ['metrics'], days: 1 } });
  t.equal(made.status, 201);
  const { token, ...shown } = body<Token & { token: string }>(made);
  t.match(token, new RegExp(`^trr_${shown.id}_[A-Za-z0-9_-]{43}$`));
  t.ok(Date.parse(shown.expiresAt) - Date.now() <= 24 * 3_600_000);
  t.equal((await api('/metrics', by(token))).status, 200);
  for (const path of ['overview', 'users', 'saved-queries']) {
    t.equal((await api(path, by(token))).status, 403, path);
  }
  t.equal(
    (await api('tokens', { ...by(token), body: { name: 'child', scopes: ['metrics'] } })).status,
    403,
    'a token makes no tokens',
  );
  t.notMatch((await api('tokens', by(session))).body, token.split('_')[2] ?? token);
  t.same(
    body<Page<Token>>(await api('tokens', by(session))).items.map((i) => i.id),
    [shown.id],
    'only the own ones',
  );
  const other = await person('tina', 'viewer');
  t.equal((await api(`tokens/${shown.id}`, by(other))).status, 404, "somebody else's is not there");
  t.equal((await api(`tokens/${shown.id}`, { method: 'DELETE', ...by(other) })).status, 404);
  t.equal((await api('users/tom', { method: 'PATCH', ...root, body: { disabled: true } })).status, 200);
  t.equal((await api('/metrics', by(token))).status, 401, 'with its owner');
  t.equal((await api('overview', by(session))).status, 401, 'as his sessions');
  t.equal((await api('users/tom', { method: 'PATCH', ...root, body: { disabled: false } })).status, 200);
  t.equal((await api('overview', by(session))).status, 401, 'which do not come back');
  t.equal((await api('/metrics', by(token))).status, 200);
  t.equal((await api(`tokens/${shown.id}`, { method: 'DELETE', ...root })).status, 204);
  t.equal((await api('/metrics', by(token))).status, 401);
}

async function seesOnlyItself(t: Test, { api, person }: ApiClient): Promise<void> {
  const session = await person('otto', 'admin');
  const make = async (scope: string): Promise<{ id: string; token: string }> =>
    body(await api('tokens', { ...by(session), body: { name: scope, scopes: [scope] } }));
  const other = await make('operate');
  const own =
    body<Page<{ id: string; current: boolean }>>(await api('sessions', by(session))).items.find((s) => s.current)?.id ??
    '';
  for (const scope of ['metrics', 'read', 'query', 'operate']) {
    const { id, token } = await make(scope);
    t.same(
      body<Page<Token>>(await api('tokens?owner=otto', by(token))).items.map((i) => i.id),
      [id],
      `${scope}: the list`,
    );
    t.same(body<Page<unknown>>(await api('sessions?user=otto', by(token))).items, [], `${scope}: no sessions`);
    for (const path of [`tokens/${other.id}`, 'tokens/cli', `sessions/${own}`]) {
      t.equal((await api(path, { method: 'DELETE', ...by(token) })).status, 404, `${scope}: ${path}`);
    }
    t.equal((await api(`tokens/${other.id}`, by(token))).status, 404, `${scope}: the other one`);
    t.equal((await api(`tokens/${id}`, by(token))).status, 200, `${scope}: itself`);
    t.equal((await api(`tokens/${id}`, { method: 'DELETE', ...by(token) })).status, 204, `${scope}: it ends itself`);
    t.equal((await api('tokens', by(token))).status, 401);
  }
  const { token } = await make('admin');
  t.equal((await api(`tokens/${other.id}`, { method: 'DELETE', ...by(token) })).status, 204, "an administrator's");
  t.equal((await api(`sessions/${own}`, { method: 'DELETE', ...by(token) })).status, 204);
  t.equal((await api('users/otto', { method: 'DELETE', ...root })).status, 204);
}
