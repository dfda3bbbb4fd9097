import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';

const ROOT = join(import.meta.dirname, '../..');
const TEXT = /\.(ts|tsx|cjs|js|c|h|go|sh|css|html|svg|json|yaml|md)$/;
/** What is made by programs, or by nobody of ours. */
const GENERATED = /(^|\/)(package-lock\.json|go\.sum)$/;
/** Locked by checksum in installer/components.yaml: another line break would be another program. */
const LOCKED = /^installer\/components\/kube-[^/]+\/kube\/main\.go$/;
/** Not in the repository. */
const LEFT_OUT = ['.git', '.tap', '.demo', 'node_modules', 'build', 'dist'];
/** The most functions of more than 80 lines. */
const MOST_LONG_FUNCTIONS = 10;

/** All files below a folder of the repository, by their path in it. */
function filesBelow(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (LEFT_OUT.includes(path)) {
      return [];
    }
    return entry.isDirectory() ? filesBelow(path) : [path];
  });
}

const sources = filesBelow('.')
  .filter((f) => TEXT.test(f) && !GENERATED.test(f) && !LOCKED.test(f))
  .map((name) => ({ name, lines: readFileSync(join(ROOT, name), 'utf8').split('\n') }));

t.test('no line of a source is longer than 120 columns, but for rows of tables in Markdown', async (t) => {
  t.ok(sources.length > 1000, `${sources.length} sources`);
  const long = sources.flatMap(({ name, lines }) =>
    lines.flatMap((line, i) =>
      [...line].length > 120 && !(name.endsWith('.md') && line.startsWith('|')) ? `${name}:${i + 1}` : [],
    ),
  );
  t.strictSame(long, []);
});

t.test('lint rules are switched off for single lines only, each with its reason', async (t) => {
  const marked = sources
    .filter(({ name }) => /\.tsx?$/.test(name) && name !== 'test/unit/sources.test.ts')
    .flatMap(({ name, lines }) =>
      lines.flatMap((line, i) =>
        /(oxlint|eslint)-disable|@ts-(ignore|nocheck|expect-error)|oxfmt-ignore|prettier-ignore/.test(line)
          ? { at: `${name}:${i + 1}`, line: line.trim() }
          : [],
      ),
    );
  for (const { at, line } of marked) {
    t.match(line, /^(\/\/|\{?\/\*) oxlint-disable-next-line [a-z/-]+ -- \S+ .*\S/, at);
  }
  const long = marked.filter(({ line }) => line.includes('max-lines-per-function'));
  t.comment(`functions of more than 80 lines: ${long.length}`);
  t.ok(long.length <= MOST_LONG_FUNCTIONS, long.map(({ at, line }) => `${at} ${line}`).join('\n'));
});
