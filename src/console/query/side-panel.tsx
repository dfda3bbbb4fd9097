import type { SavedQuery } from '../../api/saved-queries.ts';
import type { HistoryEntry } from '../logic/history.ts';
import { HistoryList } from './history-list.tsx';
import { SavedList } from './saved.tsx';
import { SchemaBrowser, type SchemaProps } from './schema.tsx';

const SIDES = ['Tables', 'Saved', 'History'] as const;
/** What the panel shows. */
export type Side = (typeof SIDES)[number];

const STEPS: Record<string, number> = { ArrowRight: 1, ArrowLeft: -1 };

/** Tables, saved queries and history, one of them at a time, beside the editor. */
export function SidePanel({
  side,
  onSide,
  tables,
  asked,
  onInsert,
  history,
  onClear,
  onOpen,
}: SchemaProps & {
  side: Side;
  onSide: (side: Side) => void;
  history: HistoryEntry[];
  onClear: () => void;
  /** Puts a statement into the editor. */
  onOpen: (sql: string, saved?: SavedQuery) => void;
}) {
  return (
    <aside class="card side-panel" aria-label="Tables, saved queries, history">
      <Tabs side={side} onSide={onSide} />
      <div role="tabpanel" id="side-panel" aria-labelledby={`side-${side}`}>
        {side === 'Tables' && <SchemaBrowser tables={tables} asked={asked} onInsert={onInsert} />}
        {side === 'Saved' && <SavedList onOpen={(saved) => onOpen(saved.sql, saved)} />}
        {side === 'History' && (
          <HistoryList history={history} onOpen={(entry) => onOpen(entry.sql)} onClear={onClear} />
        )}
      </div>
    </aside>
  );
}

/** Arrow keys go from tab to tab, as everywhere. */
function Tabs({ side, onSide }: { side: Side; onSide: (side: Side) => void }) {
  const move = (event: KeyboardEvent): void => {
    const step = STEPS[event.key];
    const next = SIDES[(SIDES.indexOf(side) + (step ?? 0) + SIDES.length) % SIDES.length];
    if (step === undefined || next === undefined) {
      return;
    }
    event.preventDefault();
    onSide(next);
    document.getElementById(`side-${next}`)?.focus();
  };
  return (
    <div role="tablist" class="tabs" onKeyDown={move}>
      {SIDES.map((s) => (
        <button
          key={s}
          type="button"
          role="tab"
          id={`side-${s}`}
          aria-selected={s === side}
          aria-controls="side-panel"
          tabIndex={s === side ? 0 : -1}
          onClick={() => onSide(s)}
        >
          {s}
        </button>
      ))}
    </div>
  );
}
