import { readFileSync } from 'node:fs';
import { PassThrough } from 'node:stream';
import { Command } from 'commander';
import t from 'tap';
import type { CommandModule } from '../../src/cli/command.ts';
import { moduleNames } from '../../src/modules.ts';
import { Sandbox } from '../../src/satellite/sql/sandbox.ts';
import { loadTables } from '../../src/satellite/table.ts';

/** What a command prints for --help. */
async function helpOf(name: string): Promise<string> {
  const { command } = (await import(`../../src/cli/commands/${name}.ts`)) as { command: CommandModule };
  let text = '';
  const cmd = new Command(name).exitOverride().configureOutput({ writeOut: (more) => void (text += more) });
  const stream = new PassThrough();
  command.configure(cmd, {
    stdout: stream,
    stderr: stream,
    stdin: stream,
    env: {},
    signal: new AbortController().signal,
  });
  cmd.outputHelp();
  return text;
}

/** Statements between quotes or backticks; `…` stands for what is left out. */
const statements = (text: string): string[] =>
  [...text.matchAll(/["`]((?:select|with) [^"`]*)["`]/gi)].map((m) => m[1] ?? '').filter((sql) => !sql.includes('…'));

t.test('every statement in a help text and in README names tables and columns that there are', async (t) => {
  const sandbox = new Sandbox(await loadTables(), undefined);
  const texts = new Map([['README.md', readFileSync('README.md', 'utf8')]]);
  for (const name of moduleNames('src/cli/commands')) {
    texts.set(name, await helpOf(name));
  }
  const found = [...texts].flatMap(([where, text]) => statements(text).map((sql) => ({ where, sql })));
  for (const { where, sql } of found) {
    t.doesNotThrow(() => sandbox.prepare(sql, () => []), `${where}: ${sql}`);
    sandbox.clear();
  }
  for (const where of ['README.md', 'query', 'schedule/create']) {
    t.ok(
      found.some((f) => f.where === where),
      `there are some in ${where}`,
    );
  }
  for (const table of ['tables', 'columns']) {
    t.ok(
      found.some((f) => f.where === 'query' && f.sql === `select * from ${table}`),
      `query --help says how ${table} are listed`,
    );
  }
});

t.end();
