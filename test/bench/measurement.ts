/** One file of test/bench/measurements/ each; the file's name is the measurement's. */
export interface Measurement {
  title: string;
  /** It boots a lab of its own; one that is up is paused meanwhile. */
  needsLab: boolean;
  /**
   * Measures. @param say a line for who is watching. @param signal by which it is ended before its time
   * @throws Error where there is nothing that may be published.
   */
  run(say: (line: string) => void, signal: AbortSignal): Promise<Measured>;
}

export interface Measured {
  /** For dist/bench.json; durations in ms, sizes in bytes. */
  data: object;
  /** For docs/benchmarks.md. */
  markdown: string;
}

export function seconds(ms: number): string {
  return (ms / 1000).toFixed(1);
}

/** A Markdown table; all columns but the first are numbers, to the right. */
export function table(header: string[], rows: (string | number)[][]): string {
  const line = (cells: (string | number)[]): string => `| ${cells.join(' | ')} |`;
  return [line(header), line(header.map((_, i) => (i === 0 ? '---' : '---:'))), ...rows.map(line)].join('\n');
}
