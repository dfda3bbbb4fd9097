import type { RefObject } from 'preact';
import type { Running } from './run.ts';

const LIMITS = [1_000, 10_000, 100_000] as const;
const LONGEST_SQL = 65_536;

/** How the rows of all satellites are put together; nothing in `column` and `limit` for as they come, all of them. */
export interface Order {
  column: string;
  descending: boolean;
  limit: string;
}

/** Where the statement is written; Ctrl+Enter runs it, Escape cancels. */
export function Editor({
  editor,
  sql,
  onSql,
  onRun,
  query,
}: {
  editor: RefObject<HTMLTextAreaElement | null>;
  sql: string;
  onSql: (sql: string) => void;
  onRun: () => void;
  query: Running;
}) {
  return (
    <>
      <label for="sql" class="sr">
        SQL
      </label>
      <textarea
        id="sql"
        ref={editor}
        rows={7}
        spellcheck={false}
        autocomplete="off"
        autocapitalize="off"
        value={sql}
        maxLength={LONGEST_SQL}
        aria-describedby="sql-keys"
        onInput={(e) => onSql(e.currentTarget.value)}
        onKeyDown={(e) => {
          if (e.key === 'Enter' && (e.ctrlKey || e.metaKey)) {
            e.preventDefault();
            onRun();
          } else if (e.key === 'Escape' && query.running) {
            query.cancel();
          }
        }}
      />
    </>
  );
}

/** Asks for the order and the number of all rows together. */
export function OrderFields({ order, onOrder }: { order: Order; onOrder: (order: Order) => void }) {
  return (
    <div class="merge" role="group" aria-label="All rows together">
      <label class="inline">
        All rows in the order of{' '}
        <input
          class="small"
          value={order.column}
          maxLength={128}
          placeholder="column"
          spellcheck={false}
          onInput={(e) => onOrder({ ...order, column: e.currentTarget.value })}
        />
      </label>
      <label class="inline">
        <input
          type="checkbox"
          checked={order.descending}
          onChange={(e) => onOrder({ ...order, descending: e.currentTarget.checked })}
        />{' '}
        the largest first
      </label>
      <label class="inline">
        and only the first{' '}
        <input
          class="small count"
          type="number"
          min={1}
          max={1_000_000}
          value={order.limit}
          placeholder="all"
          onInput={(e) => onOrder({ ...order, limit: e.currentTarget.value })}
        />
      </label>
    </div>
  );
}

/** The buttons below the statement, and how many rows each satellite may bring. */
export function Actions({
  query,
  asked,
  empty,
  maxRows,
  onMaxRows,
  onAsk,
}: {
  query: Running;
  /** Satellites that would be asked. */
  asked: number;
  /** There is no statement. */
  empty: boolean;
  maxRows: number;
  onMaxRows: (maxRows: number) => void;
  /** Asks what else to do with the statement. */
  onAsk: (what: 'save' | 'schedule') => void;
}) {
  return (
    <div class="actions">
      <button type="submit" class="primary" disabled={query.running || asked === 0}>
        Run
      </button>
      {query.running && (
        <button type="button" onClick={query.cancel}>
          Cancel
        </button>
      )}
      <button type="button" disabled={empty} onClick={() => onAsk('save')}>
        Save…
      </button>
      <button type="button" disabled={empty} onClick={() => onAsk('schedule')}>
        Schedule…
      </button>
      <label class="inline">
        At most
        <select value={String(maxRows)} onChange={(e) => onMaxRows(Number(e.currentTarget.value))}>
          {LIMITS.map((n) => (
            <option key={n} value={String(n)}>
              {n.toLocaleString('en-US')}
            </option>
          ))}
        </select>
        rows of each
      </label>
      <span class="spring" />
      <span class="hint" id="sql-keys">
        <kbd>Ctrl</kbd>+<kbd>Enter</kbd> runs it, <kbd>Esc</kbd> cancels.
      </span>
    </div>
  );
}
