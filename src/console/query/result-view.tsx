import { useState } from 'preact/hooks';
import type { QueryState } from '../../api/queries.ts';
import { numericColumns } from '../logic/chart-data.ts';
import { csvLines, jsonLines, pieces } from '../logic/export.ts';
import { countStates, describePart, type Part, type Result } from '../logic/result.ts';
import type { Tone } from '../logic/tone.ts';
import { Badge } from '../parts/badge.tsx';
import { Chart } from './chart.tsx';
import { RowsTable } from './rows-table.tsx';

const STATE_TONE: Record<QueryState, Tone> = {
  pending: 'idle',
  rows: 'good',
  empty: 'good',
  error: 'bad',
  lost: 'bad',
  denied: 'bad',
};
/** With more satellites their states are counted, and listed on request. */
const FEW = 12;

export function ResultView({ result, running }: { result: Result; running: boolean }) {
  const [view, setView] = useState<'table' | 'chart'>('table');
  const chartable = numericColumns(result).length > 0;
  const save = (name: string, type: string, lines: Iterable<string>): void => {
    const url = URL.createObjectURL(new Blob(pieces(lines), { type }));
    const link = document.createElement('a');
    link.href = url;
    link.download = name;
    link.click();
    // The download has begun when the click has returned; the browser keeps what it reads.
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
  };
  const stamp = new Date().toISOString().slice(0, 19).replaceAll(':', '-');
  return (
    <section class="card" aria-label="Result" aria-busy={running}>
      <div class="head">
        <h2 aria-live="polite">
          {result.total.toLocaleString('en-US')} {result.total === 1 ? 'row' : 'rows'}
        </h2>
        {result.ms !== undefined && <span class="hint">{Math.round(result.ms).toLocaleString('en-US')} ms</span>}
        {running && <span class="hint running">running…</span>}
        <span class="spring" />
        {result.rows.length > 0 && (
          <>
            <div class="segments" role="group" aria-label="Show as">
              <button type="button" aria-pressed={view === 'table'} onClick={() => setView('table')}>
                Table
              </button>
              <button
                type="button"
                aria-pressed={view === 'chart'}
                disabled={!chartable}
                title={chartable ? undefined : 'No column is a number'}
                onClick={() => setView('chart')}
              >
                Chart
              </button>
            </div>
            <button type="button" onClick={() => save(`query-${stamp}.csv`, 'text/csv', csvLines(result))}>
              CSV
            </button>
            <button
              type="button"
              onClick={() => save(`query-${stamp}.jsonl`, 'application/x-ndjson', jsonLines(result))}
            >
              JSON lines
            </button>
          </>
        )}
      </div>
      <Parts result={result} running={running} />
      {result.columns.length > 0 &&
        (view === 'chart' && chartable ? <Chart result={result} running={running} /> : <RowsTable result={result} />)}
      {result.total > result.rows.length && (
        <p class="hint">
          The first {result.rows.length.toLocaleString('en-US')} rows are kept in this page, for table, chart and
          export.
        </p>
      )}
    </section>
  );
}

function Parts({ result, running }: { result: Result; running: boolean }) {
  const parts = [...result.parts];
  const ways = new Set(parts.map(([, p]) => wayOf(p)));
  const way = parts.length > 1 && ways.size === 1 ? [...ways][0] : '';
  const list = (
    <ul class="parts">
      {parts.map(([sat, part]) => (
        <li key={sat} data-satellite={sat}>
          <PartBadge sat={sat} part={part} running={running} withWay={way === ''} />
        </li>
      ))}
      {way !== '' && <li class="via">all {way}</li>}
    </ul>
  );
  return (
    <>
      {parts.length <= FEW ? (
        list
      ) : (
        <details class="parts-summary">
          <summary>
            {countStates(result).map(([state, n]) => (
              <Badge key={state} tone={STATE_TONE[state]}>
                {n} {state}
              </Badge>
            ))}
          </summary>
          {list}
        </details>
      )}
      {parts
        .filter(([, p]) => p.message !== undefined)
        .slice(0, FEW)
        .map(([sat, p]) => (
          <p key={sat} class="message">
            {sat}: {p.message}
          </p>
        ))}
    </>
  );
}

const WAY = { direct: 'direct', cloud: 'through the cloud' } as const;

const wayOf = (part: Part): string =>
  part.via === undefined ? '' : `${WAY[part.via]}${part.reason === undefined ? '' : ` (${part.reason})`}`;

function PartBadge({ sat, part, running, withWay }: { sat: string; part: Part; running: boolean; withWay: boolean }) {
  return (
    <>
      <Badge tone={STATE_TONE[part.state]} title={part.message}>
        {sat}: {describePart(part, running)}
      </Badge>
      {withWay && part.via !== undefined && <small class="via">{wayOf(part)}</small>}
    </>
  );
}
