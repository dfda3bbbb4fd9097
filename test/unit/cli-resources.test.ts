import t from 'tap';
import { parse } from 'yaml';
import { QUERY_LIMITS } from '../../src/bus/frames.ts';
import { interval } from '../../src/cli/interval.ts';
import { describe, printDescriptions } from '../../src/cli/resource-description.ts';
import { printItems, watchPrinter } from '../../src/cli/resource-printer.ts';
import { kindOf } from '../../src/cli/resources.ts';
import { size, sizeText } from '../../src/cli/size.ts';
import { intervalText } from '../../src/interval-text.ts';

const now = Date.parse('2026-01-02T00:00:00.000Z');
const eva = {
  name: 'eva',
  role: 'viewer',
  disabled: false,
  mustChangePassword: true,
  createdAt: '2026-01-01T00:00:00.000Z',
  passwordAt: '2026-01-01T12:00:00.000Z',
  version: 17,
};
const max = { ...eva, name: 'max', role: 'admin' };
const users = kindOf('users');

t.test('a kind is found by its names, and another is named with those that there are', (t) => {
  for (const word of ['users', 'user']) {
    t.equal(kindOf(word).name, 'users');
  }
  t.throws(() => kindOf('cats'), { code: 'usage', exitCode: 2, remedy: /users, tokens/ });
  t.end();
});

t.test('the formats of get', (t) => {
  const table = printItems(users, [eva, max], 'table', false, now).trimEnd().split('\n');
  t.match(table[0], /^NAME +ROLE +DISABLED +CREATED$/);
  t.match(table[1], /^eva +viewer +no +/);
  t.match(printItems(users, [eva], 'wide', true, now), /VERSION\n.* 17\n$/);
  t.same(JSON.parse(printItems(users, [eva, max], 'json', false, now)), { items: [eva, max] });
  t.same(JSON.parse(printItems(users, [eva], 'json', true, now)), eva);
  t.same(parse(printItems(users, [eva, max], 'yaml', false, now)), { items: [eva, max] });
  t.equal(printItems(users, [eva, max], 'name', false, now), 'users/eva\nusers/max\n');
  t.equal(printItems(users, [], 'table', false, now), '');
  t.same(JSON.parse(printItems(users, [], 'json', false, now)), { items: [] });
  t.end();
});

t.test('what is printed cannot steer the terminal', (t) => {
  const evil = { ...eva, name: '\u001b[2J' };
  for (const format of ['table', 'wide', 'name', 'yaml', 'json'] as const) {
    t.notOk(printItems(users, [evil], format, true, now).includes('\u001b'), format);
  }
  t.notOk(describe(users, evil, undefined).includes('\u001b'));
  t.end();
});

t.test('a watch prints a line for each change, in every format', (t) => {
  const table = watchPrinter(users, 'table', () => now);
  t.match(table.first([eva]), /^NAME .*\neva /);
  t.match(table.changed('changed', 'eva', { ...eva, role: 'operator' }), /^eva +operator/);
  t.equal(table.changed('deleted', 'eva', null), 'eva was deleted\n');
  const json = watchPrinter(users, 'json', () => now);
  t.same(JSON.parse(json.first([eva])), { change: 'present', key: 'eva', item: eva });
  t.same(JSON.parse(json.changed('deleted', 'eva', null)), { change: 'deleted', key: 'eva', item: null });
  t.match(watchPrinter(users, 'yaml', () => now).changed('created', 'eva', eva), /^---\nchange: created\n/);
  t.end();
});

t.test('a description tells what was changed', (t) => {
  const entry = {
    seq: 1,
    id: 'x',
    at: '2026-01-01T00:00:00.000Z',
    actor: 'admin',
    kind: 'user.update',
    outcome: 'ok',
    changes: [
      {
        resource: 'user/eva',
        before: { role: 'viewer', disabled: false },
        after: { role: 'operator', disabled: false },
      },
    ],
  };
  const text = describe(users, eva, [entry]);
  t.match(text, /^users\/eva\n {2}name: eva\n/);
  t.match(text, /admin +user.update +ok +role: viewer → operator/);
  t.end();
});

t.test('a description in the formats of programs', (t) => {
  const changes = [
    {
      seq: 1,
      id: 'x',
      at: '2026-01-01T00:00:00.000Z',
      actor: 'admin',
      kind: 'user.update',
      outcome: 'ok',
      changes: [],
    },
  ];
  const both = [
    { item: eva, changes },
    { item: max, changes: undefined },
  ];
  t.same(JSON.parse(printDescriptions(users, both.slice(0, 1), 'json', true)), { item: eva, changes });
  t.same(JSON.parse(printDescriptions(users, both, 'json', false)), {
    items: [
      { item: eva, changes },
      { item: max, changes: [] },
    ],
  });
  t.same(parse(printDescriptions(users, both.slice(0, 1), 'yaml', true)), { item: eva, changes });
  t.equal(printDescriptions(users, both, 'name', false), 'users/eva\nusers/max\n');
  t.match(printDescriptions(users, both, 'text', false), /^users\/eva\n[^]*Last changes\n[^]*\nusers\/max\n/);
  t.end();
});

t.test('sizes of options', (t) => {
  for (const [text, bytes] of [
    ['1', 1],
    ['500000', 500_000],
    ['64MiB', 64 * 1024 ** 2],
    ['1GiB', 1024 ** 3],
  ] as const) {
    t.equal(size(1024 ** 3)(text), bytes);
  }
  for (const bad of ['', '0', '-1', '1.5MiB', '1 MiB', '64MB', '2GiB', 'x']) {
    t.throws(() => size(1024 ** 3)(bad), /up to 1GiB/, bad);
  }
  t.equal(sizeText(QUERY_LIMITS.maxBytes), '1GiB', 'as `query --max-bytes` says');
  t.equal(sizeText(QUERY_LIMITS.bytes), '64MiB');
  t.end();
});

t.test('intervals as they are written, both ways', (t) => {
  for (const [text, seconds] of [
    ['30s', 30],
    ['5m', 300],
    ['1h30m', 5400],
    ['7d', 604_800],
  ] as const) {
    t.same([interval(text), intervalText(seconds)], [seconds, text]);
  }
  t.equal(interval('90m'), 5400);
  for (const bad of ['', '5', 'm', '5 m', '1.5h', '5mm', '-5m']) {
    t.throws(() => interval(bad), /such as 30s/, bad);
  }
  t.end();
});
