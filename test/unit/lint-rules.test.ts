import { spawnSync, type SpawnSyncReturns } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';

const ROOT = join(import.meta.dirname, '../..');

/** What `npm run check` runs first says of a checkout with these files and the repository's configuration. */
function judge(t: Test, program: 'oxfmt' | 'oxlint', files: Record<string, string>): SpawnSyncReturns<string> {
  const dir = mkdtempSync(join(tmpdir(), 'terrarium-lint-'));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  for (const name of ['.oxfmtrc.json', '.oxlintrc.json', 'tsconfig.json']) {
    cpSync(join(ROOT, name), join(dir, name));
  }
  mkdirSync(join(dir, 'src'));
  for (const [name, text] of Object.entries(files)) {
    writeFileSync(join(dir, 'src', name), text);
  }
  const args = program === 'oxfmt' ? ['--check'] : [];
  // NODE_OPTIONS has tap's hooks for test files, which these programs do not bear.
  const argv = ['-u', 'NODE_OPTIONS', join(ROOT, 'node_modules/.bin', program), ...args];
  return spawnSync('env', argv, { cwd: dir, encoding: 'utf8' });
}

const longFunction = (lines: number): string =>
  `export function long(): void {\n${"  console.log('a line');\n".repeat(lines - 2)}}\n`;

t.test('formatter: an unformatted line is refused', async (t) => {
  t.equal(judge(t, 'oxfmt', { 'a.ts': 'export const a = 1;\n' }).status, 0);
  const refused = judge(t, 'oxfmt', { 'a.ts': 'export const a = "1"\n' });
  t.equal(refused.status, 1);
  t.match(refused.stdout + refused.stderr, 'src/a.ts');
});

t.test('linter: each rule of the house refuses what it is for, and no more', async (t) => {
  const cases: { what: string; good: Record<string, string>; bad: Record<string, string>; says: RegExp }[] = [
    {
      what: 'braces',
      good: { 'a.ts': 'export function f(a: boolean): number {\n  if (a) {\n    return 1;\n  }\n  return 2;\n}\n' },
      bad: { 'a.ts': 'export function f(a: boolean): number {\n  if (a) return 1;\n  return 2;\n}\n' },
      says: /curly/,
    },
    {
      what: 'nested ternary',
      good: { 'a.ts': "export const f = (n: number): string => (n > 1 ? 'many' : 'one');\n" },
      bad: { 'a.ts': "export const f = (n: number): string => (n > 1 ? 'many' : n === 1 ? 'one' : 'none');\n" },
      says: /no-nested-ternary/,
    },
    {
      what: 'length of a function',
      good: { 'a.ts': longFunction(80) },
      bad: { 'a.ts': longFunction(81) },
      says: /too many lines \(81\)/,
    },
    {
      what: 'length of a file',
      good: { 'a.ts': 'export {};\n'.repeat(400) },
      bad: { 'a.ts': 'export {};\n'.repeat(401) },
      says: /too many lines \(401\)/,
    },
    {
      what: 'import cycle of types',
      good: {
        'a.ts': "import type { B } from './b.ts';\n\nexport type A = B[];\n",
        'b.ts': 'export type B = string;\n',
      },
      bad: {
        'a.ts': "import type { B } from './b.ts';\n\nexport type A = B[];\n",
        'b.ts': "import type { A } from './a.ts';\n\nexport type B = A | string;\n",
      },
      says: /no-cycle/,
    },
    {
      what: 'any',
      good: { 'a.ts': 'export type A = unknown;\n' },
      bad: { 'a.ts': 'export type A = any;\n' },
      says: /no-explicit-any/,
    },
    {
      what: 'a disabled rule that finds nothing',
      good: { 'a.ts': 'export const a = 1;\n' },
      bad: { 'a.ts': `// ${'oxlint'}-disable-next-line no-nested-ternary -- no reason\nexport const a = 1;\n` },
      says: /[Uu]nused/,
    },
  ];
  for (const { what, good, bad, says } of cases) {
    const taken = judge(t, 'oxlint', good);
    t.equal(taken.status, 0, `${what}: ${taken.stdout}`);
    const refused = judge(t, 'oxlint', bad);
    t.equal(refused.status, 1, what);
    t.match(refused.stdout + refused.stderr, says, what);
  }
});
