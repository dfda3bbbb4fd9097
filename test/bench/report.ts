import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import type { Measured } from './measurement.ts';

/** On what it was measured: nothing that names a machine. */
export function machine(): string {
  const model = cpus()[0]?.model.trim() ?? 'unknown processor';
  return `${cpus().length} × ${model}, ${Math.round(totalmem() / 1024 ** 3)} GiB, Linux ${release().split('-')[0]}`;
}

/** Replaces what is between the markers of a measurement; one that the page does not have yet is added at its end. */
export function replaceSection(page: string, name: string, title: string, content: string): string {
  const begin = `<!-- bench:${name} -->`;
  const end = `<!-- /bench:${name} -->`;
  const from = page.indexOf(begin);
  const to = page.indexOf(end);
  if (from < 0 || to < from) {
    return `${page.trimEnd()}\n\n## ${title}\n\n${begin}\n${content}\n${end}\n`;
  }
  return `${page.slice(0, from + begin.length)}\n${content}\n${page.slice(to)}`;
}

const COLUMNS = 120;

/** Breaks lines of prose as in the other pages; rows of tables cannot be broken. */
export function wrapProse(markdown: string): string {
  return markdown
    .split('\n')
    .map((line) => (line.startsWith('|') ? line : wrapLine(line)))
    .join('\n');
}

function wrapLine(line: string): string {
  const lines = [''];
  for (const word of line.split(' ')) {
    const last = lines.at(-1) ?? '';
    if (last !== '' && last.length + 1 + word.length > COLUMNS) {
      lines.push(word);
    } else {
      lines[lines.length - 1] = last === '' ? word : `${last} ${word}`;
    }
  }
  return lines.join('\n');
}

/** Adds one measurement to the page and to the JSON of the last figures; those of other measurements stay. */
export function publish(
  files: { page: string; json: string },
  name: string,
  title: string,
  { data, markdown }: Measured,
): void {
  const at = new Date().toISOString();
  const figures = existsSync(files.json)
    ? (JSON.parse(readFileSync(files.json, 'utf8')) as Record<string, unknown>)
    : {};
  writeFileSync(
    files.json,
    `${JSON.stringify({ ...figures, [name]: { at, machine: machine(), ...data } }, null, 2)}\n`,
  );
  const page = readFileSync(files.page, 'utf8');
  writeFileSync(
    files.page,
    replaceSection(page, name, title, wrapProse(`Measured ${at.slice(0, 10)} on ${machine()}.\n\n${markdown}`)),
  );
}
