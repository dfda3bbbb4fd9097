import type { EndedFile } from './tap-stream.ts';

/** A part of the whole run, such as the build or the unit tests, and the seconds that it took. */
export interface Part {
  title: string;
  seconds: number;
}

/** The lines that end a run of several test files: which were slowest. */
export function slowestFiles(files: readonly EndedFile[], most = 20): string[] {
  const sorted = [...files].sort((a, b) => b.ms - a.ms).slice(0, most);
  return [
    `The ${sorted.length} slowest test files:`,
    ...sorted.map((f) => `${(f.ms / 1000).toFixed(1).padStart(8)} s  ${f.name}`),
  ];
}

/** The line of where the time of the whole run went. */
export function timesByPart(parts: readonly Part[]): string {
  const seconds = parts.reduce((sum, p) => sum + p.seconds, 0);
  const each = parts.map((p) => `${p.title} ${Math.round(p.seconds)} s`);
  return `Time: ${[...each, `in all ${Math.round(seconds)} s`].join(', ')}`;
}
