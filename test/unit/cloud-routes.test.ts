import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import t from 'tap';
import { SCOPES } from '../../src/api/access.ts';
import { streamRequestSchema } from '../../src/api/queries.ts';
import { API_PATHS, COMMAND_HEADER, ENROLMENT_PATHS } from '../../src/cloud/api-paths.ts';
import { scopesOf } from '../../src/cloud/auth/access.ts';
import { openApi } from '../../src/cloud/http/openapi.ts';
import { decodeCursor, encodeCursor, pageOfList } from '../../src/cloud/http/pages.ts';
import { HttpProblem, problemOf } from '../../src/cloud/http/problem.ts';
import { isMedia, loadRoutes } from '../../src/cloud/http/route.ts';
import { Failure } from '../../src/errors.ts';
import { loadKinds } from '../../src/store/kind.ts';

t.test('each route: once, described, its parameters named, and what it changes is in the audit log', async (t) => {
  const kinds = await loadKinds();
  const routes = await loadRoutes();
  const seen = new Set<string>();
  for (const route of routes) {
    const name = `${route.method} ${route.path}`;
    t.notOk(seen.has(name), name);
    seen.add(name);
    const { properties = {} } = (
      route.params === undefined ? {} : (await import('zod')).z.toJSONSchema(route.params, { io: 'input' })
    ) as { properties?: object };
    t.same(
      Object.keys(properties).sort(),
      [...route.path.matchAll(/\{(\w+)\}/g)].map((m) => m[1]).sort(),
      `${name}: parameters`,
    );
    t.match(route.summary, /^[A-Z].*\.$/s, `${name}: a sentence`);
    t.equal(
      route.method === 'GET' ? route.audit : typeof route.audit,
      route.method === 'GET' ? undefined : 'object',
      `${name}: audit`,
    );
    for (const kind of route.audit ?? []) {
      t.ok(kinds.has(kind), `${name}: ${kind}`);
    }
    // What is open to everybody is a short list, and stays one.
    if (route.scope === 'open') {
      t.ok(
        [
          '/healthz',
          '/readyz',
          API_PATHS.openapi,
          API_PATHS.login,
          API_PATHS.session,
          ENROLMENT_PATHS.authority,
          ENROLMENT_PATHS.enrol,
        ].includes(route.path),
        `${name} is open`,
      );
    }
    if (isMedia(route.reply) && route.reply.type === 'text/event-stream') {
      t.equal(route.stream, true);
    }
  }
});

t.test('the description holds every route, and no reference leads nowhere', async (t) => {
  const routes = await loadRoutes();
  const document = openApi(routes) as {
    openapi: string;
    paths: Record<string, Record<string, { operationId: string; responses: Record<string, unknown> }>>;
  };
  t.equal(document.openapi, '3.1.0');
  const operations = Object.values(document.paths).flatMap((p) => Object.values(p));
  t.equal(operations.length, routes.length);
  t.equal(new Set(operations.map((o) => o.operationId)).size, routes.length, 'each with a name of its own');
  for (const operation of operations) {
    t.ok(
      Object.keys(operation.responses).some((s) => s.startsWith('2')) && operation.responses['default'] !== undefined,
      operation.operationId,
    );
  }
  t.equal(document.paths['/api/v1/users/{name}'] === undefined, false);
  for (const route of routes) {
    const taken = JSON.stringify(document.paths[route.path]?.[route.method.toLowerCase()]).includes(COMMAND_HEADER);
    if (route.unrepeatable === true) {
      t.notOk(taken, `${route.path} takes no id of a command`);
    }
  }
  t.match(JSON.stringify(document.paths[API_PATHS.users]), COMMAND_HEADER);
});

t.test('pages: every item once, in order, whatever the limit', (t) => {
  const all = Array.from({ length: 23 }, (_, n) => ({ key: createHash('sha256').update(String(n)).digest('hex') }));
  for (const limit of [1, 2, 7, 23, 500]) {
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const page = pageOfList(all, { limit, ...(cursor === undefined ? {} : { cursor }) }, (i) => i.key);
      t.ok(page.items.length <= limit);
      seen.push(...page.items.map((i) => i.key));
      cursor = page.next ?? undefined;
    } while (cursor !== undefined);
    t.same(seen, all.map((i) => i.key).sort());
  }
  t.equal(decodeCursor(encodeCursor('ünïcode/1')), 'ünïcode/1');
  for (const wrong of ['a', '!', 'YQ==']) {
    t.throws(() => decodeCursor(wrong), HttpProblem, wrong);
  }
  t.end();
});

t.test("the state's failures have their status; what is unexpected says nothing", (t) => {
  for (const [code, status] of [
    ['store-disk-full', 507],
    ['store-unavailable', 503],
    ['store-busy', 503],
    ['store-too-large', 413],
    ['starting', 503],
  ] as const) {
    const found = problemOf(new Failure(code, 'A sentence.'));
    t.match(found?.problem, { status, type: `urn:terrarium:problem:${code}`, title: 'A sentence.' });
    t.equal(found?.headers['Retry-After'], status === 503 ? '2' : undefined);
  }
  t.equal(problemOf(new Error('secret')), undefined);
  t.equal(problemOf(new Failure('anything-else', 'x')), undefined);
  t.equal(problemOf(new HttpProblem(404, 'not-found', 'x'))?.problem.status, 404);
  t.end();
});

t.test('what docs/api.md says of rights and of the WebSocket is so', async (t) => {
  const text = readFileSync('docs/api.md', 'utf8');
  for (const scope of SCOPES) {
    const cells = new RegExp(`^\\| \`${scope}\` \\|(.*)\\|$`, 'm')
      .exec(text)?.[1]
      ?.split('|')
      .slice(1)
      .map((c) => c.trim() === 'yes');
    t.same(
      cells,
      (['viewer', 'operator', 'admin'] as const).map((r) => scopesOf(r).includes(scope)),
      scope,
    );
  }
  const said = JSON.stringify(openApi(await loadRoutes()));
  for (const where of [text, said]) {
    t.ok(where.includes(API_PATHS.queryStream));
  }
  const examples = [...text.matchAll(/^\| `(\{.*?\})` \| (?:starts|ends|at most)/gm)].map((m) => m[1] ?? '');
  t.equal(examples.length, 3);
  for (const example of examples) {
    t.ok(streamRequestSchema.safeParse(JSON.parse(example.replace(', …', ''))).success, example);
  }
  t.match(openApi([]), {
    components: {
      schemas: {
        queryStreamRequest: {
          anyOf: [{ properties: { query: {} } }, { properties: { cancel: {} } }, { properties: { ping: {} } }],
        },
      },
    },
  });
});
