import type { HistoryEntry } from '../logic/history.ts';
import { ago } from '../logic/time.ts';
import { useNow } from '../parts/context.ts';

/** What was run in this browser; nobody else sees it. */
export function HistoryList({
  history,
  onOpen,
  onClear,
}: {
  history: HistoryEntry[];
  onOpen: (entry: HistoryEntry) => void;
  onClear: () => void;
}) {
  const now = useNow();
  if (history.length === 0) {
    return <p class="hint">What you run is kept here, in this browser only.</p>;
  }
  return (
    <>
      <ul class="entries" data-kind="history">
        {history.map((e) => (
          <li key={e.sql}>
            <button type="button" class="entry" title={e.sql} onClick={() => onOpen(e)}>
              <code>{e.sql}</code>
              <small>
                {ago(e.at, now)} ago ·{' '}
                {e.outcome === 'done'
                  ? `${e.rows.toLocaleString('en-US')} rows · ${Math.round(e.ms ?? 0)} ms`
                  : e.outcome}
              </small>
            </button>
          </li>
        ))}
      </ul>
      <button type="button" class="small" onClick={onClear}>
        Clear the history
      </button>
    </>
  );
}
