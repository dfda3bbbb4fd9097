import type { Command } from 'commander';

/** How rows are printed: what `printerFor` of query-printer.ts is told. */
export function addRowsOptions(cmd: Command): Command {
  return cmd
    .option('--json', 'one JSON object a line instead of a table')
    .option('--csv', 'comma-separated values (RFC 4180) instead of a table');
}
