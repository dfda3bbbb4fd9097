import { useEffect, useRef, useState } from 'preact/hooks';
import type { FleetSummary } from '../../api/satellites.ts';
import type { SavedQuery } from '../../api/saved-queries.ts';
import { fits, wordsOf } from '../../cloud/satellites-match.ts';
import { intervalText } from '../../interval-text.ts';
import { parseHistory, remember, type HistoryEntry } from '../logic/history.ts';
import { addressOf, type Place } from '../logic/location.ts';
import { HEARD, heardOf } from '../logic/satellite-list.ts';
import { insertWord } from '../logic/schema-tree.ts';
import { useConsole, useLoaded } from '../parts/context.ts';
import { useFleet, useFleetChange } from '../parts/fleet.ts';
import { PageHead } from '../parts/table.tsx';
import { readTables } from '../resources.ts';
import { MOST_CHOSEN, SOME_CHIPS, SatelliteChoice, askedOf } from './choice.tsx';
import { HistoryList } from './history-list.tsx';
import { ResultView } from './result-view.tsx';
import { useQuery } from './run.ts';
import { SaveDialog, SavedList } from './saved.tsx';
import { ScheduleDialog } from './schedule-dialog.tsx';
import { SchemaBrowser } from './schema.tsx';

const EXAMPLE =
  'select pid, name, uid, rss_bytes / 1048576 as rss_mb\nfrom processes\norder by rss_bytes desc\nlimit 20';
const LIMITS = [1_000, 10_000, 100_000] as const;
const LONGEST_SQL = 65_536;

const SIDES = ['Tables', 'Saved', 'History'] as const;
type Side = (typeof SIDES)[number];

/** Tables of so many are put together, where not those of all. */
const MOST_NAMED = 100;
/**
 * Whom there is to ask, and which tables, is read anew at most so often: this page stays while others are looked at.
 */
const AGAIN_MS = 5_000;

export function QueryPage({ fleet, place }: { fleet: FleetSummary; place: Place }) {
  const { me, say } = useConsole();
  const key = `terrarium-history:${me.user}`;
  const [sql, setSql] = useState(EXAMPLE);
  // Without a choice all are asked, those too that appear later.
  const [chosen, setChosen] = useState<ReadonlySet<string> | undefined>(undefined);
  const [maxRows, setMaxRows] = useState<number>(10_000);
  const [order, setOrder] = useState({ column: '', descending: false, limit: '' });
  const [side, setSide] = useState<Side>('Tables');
  const [history, setHistory] = useState(() => parseHistory(localStorage.getItem(key)));
  const [opened, setOpened] = useState<SavedQuery | undefined>(undefined);
  const [saving, setSaving] = useState(false);
  const [scheduling, setScheduling] = useState(false);
  const editor = useRef<HTMLTextAreaElement>(null);

  const write = (next: HistoryEntry[]): void => {
    setHistory(next);
    try {
      localStorage.setItem(key, JSON.stringify(next));
    } catch {
      // A browser may have no room for it, or keep nothing at all: it then ends with the page.
    }
  };
  const query = useQuery((request, result, outcome) => {
    const entry: HistoryEntry = {
      sql: request.sql,
      at: new Date().toISOString(),
      satellites: request.satellites?.length ?? result.parts.size,
      rows: result.total,
      outcome,
      ...(result.ms === undefined ? {} : { ms: result.ms }),
    };
    // Another tab may have written meanwhile.
    write(remember(parseHistory(localStorage.getItem(key)), entry));
  });

  const { satellite, sql: given } = place.page === 'query' ? place.params : {};
  useEffect(() => {
    if (satellite !== undefined) {
      setChosen(new Set([satellite]));
    }
    if (given !== undefined) {
      setSql(given);
    }
  }, [satellite, given]);

  const [filter, setFilter] = useState('');
  const total = heardOf(fleet);
  // Of few all are known here; of many those that fit are asked for, and all are asked without naming them.
  const whole = total <= MOST_CHOSEN;
  const { satellites = [], matched } = useFleet(
    whole ? { state: HEARD, limit: MOST_CHOSEN } : { state: HEARD, text: filter.trim(), limit: SOME_CHIPS },
    false,
    AGAIN_MS,
  );
  const ids = whole ? satellites.map((s) => s.id) : undefined;
  const fitting = whole ? satellites.filter((s) => fits(s, wordsOf(filter))) : satellites;
  const named = chosen === undefined ? ids : [...chosen].filter((id) => ids?.includes(id) ?? true);
  const asked = askedOf(chosen, ids, whole ? satellites.length : total);
  const of = chosen === undefined || chosen.size === 0 || chosen.size > MOST_NAMED ? undefined : [...chosen].sort();
  const tables = useLoaded(undefined, () => readTables(of), undefined, of?.join());
  useFleetChange(tables.reload, AGAIN_MS);
  const run = (): void => {
    if (sql.trim() === '' || asked === 0) {
      return;
    }
    query.start({
      sql,
      ...(named === undefined ? {} : { satellites: named }),
      maxRows,
      ...(asked < 2 || order.column.trim() === ''
        ? {}
        : { order: [{ column: order.column.trim(), descending: order.descending }] }),
      ...(asked > 1 && Number(order.limit) > 0 ? { limit: Number(order.limit) } : {}),
    });
  };
  const open = (text: string, saved?: SavedQuery): void => {
    setSql(text);
    setOpened(saved);
    editor.current?.focus();
  };
  const insert = (word: string): void => {
    const element = editor.current;
    if (element === null) {
      return;
    }
    const { text, caret } = insertWord(element.value, element.selectionStart, element.selectionEnd, word);
    element.value = text;
    element.setSelectionRange(caret, caret);
    setSql(text);
    element.focus();
  };
  return (
    <>
      <PageHead title="Query" hint="SQL over what each machine knows of itself." />
      <div class="workbench">
        <section class="card">
          <form
            onSubmit={(e) => {
              e.preventDefault();
              run();
            }}
          >
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
              onInput={(e) => setSql(e.currentTarget.value)}
              onKeyDown={(e) => {
                if (e.key === 'Enter' && (e.ctrlKey || e.metaKey)) {
                  e.preventDefault();
                  run();
                } else if (e.key === 'Escape' && query.running) {
                  query.cancel();
                }
              }}
            />
            <SatelliteChoice
              fitting={fitting}
              matched={whole ? fitting.length : matched}
              total={whole ? satellites.length : total}
              ids={ids}
              filter={filter}
              onFilter={setFilter}
              chosen={chosen}
              onChoose={setChosen}
            />
            {asked > 1 && (
              <div class="merge" role="group" aria-label="All rows together">
                <label class="inline">
                  All rows in the order of{' '}
                  <input
                    class="small"
                    value={order.column}
                    maxLength={128}
                    placeholder="column"
                    spellcheck={false}
                    onInput={(e) => setOrder({ ...order, column: e.currentTarget.value })}
                  />
                </label>
                <label class="inline">
                  <input
                    type="checkbox"
                    checked={order.descending}
                    onChange={(e) => setOrder({ ...order, descending: e.currentTarget.checked })}
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
                    onInput={(e) => setOrder({ ...order, limit: e.currentTarget.value })}
                  />
                </label>
              </div>
            )}
            <div class="actions">
              <button type="submit" class="primary" disabled={query.running || asked === 0}>
                Run
              </button>
              {query.running && (
                <button type="button" onClick={query.cancel}>
                  Cancel
                </button>
              )}
              <button type="button" disabled={sql.trim() === ''} onClick={() => setSaving(true)}>
                Save…
              </button>
              <button type="button" disabled={sql.trim() === ''} onClick={() => setScheduling(true)}>
                Schedule…
              </button>
              <label class="inline">
                At most
                <select value={String(maxRows)} onChange={(e) => setMaxRows(Number(e.currentTarget.value))}>
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
          </form>
          {opened !== undefined && (
            <p class="hint">
              Opened: <strong>{opened.name}</strong>
              {opened.sql === sql ? '' : ', changed since'}
            </p>
          )}
          <p class="message" role="alert">
            {query.error}
          </p>
        </section>
        <aside class="card side-panel" aria-label="Tables, saved queries, history">
          <Tabs side={side} onSide={setSide} />
          <div role="tabpanel" id="side-panel" aria-labelledby={`side-${side}`}>
            {side === 'Tables' && (
              <SchemaBrowser
                tables={asked === 0 ? [] : (tables.data?.items ?? [])}
                asked={tables.data?.satellites ?? 0}
                onInsert={insert}
              />
            )}
            {side === 'Saved' && <SavedList onOpen={(saved) => open(saved.sql, saved)} />}
            {side === 'History' && (
              <HistoryList history={history} onOpen={(entry) => open(entry.sql)} onClear={() => write([])} />
            )}
          </div>
        </aside>
      </div>
      {query.result !== undefined && <ResultView result={query.result} running={query.running} />}
      {scheduling && (
        <ScheduleDialog
          sql={sql}
          saved={opened}
          satellites={chosen === undefined ? undefined : named}
          onClose={() => setScheduling(false)}
          onDone={(made) => {
            setScheduling(false);
            say(`${made.name} will run every ${intervalText(made.everySeconds)}.`);
            location.hash = addressOf('schedules', made.id);
          }}
        />
      )}
      {saving && (
        <SaveDialog
          sql={sql}
          opened={opened}
          onClose={() => setSaving(false)}
          onSaved={(saved) => {
            setSaving(false);
            setOpened(saved);
            setSide('Saved');
          }}
        />
      )}
    </>
  );
}

/** Arrow keys go from tab to tab, as everywhere. */
function Tabs({ side, onSide }: { side: Side; onSide: (side: Side) => void }) {
  const move = (event: KeyboardEvent): void => {
    const step = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0;
    const next = SIDES[(SIDES.indexOf(side) + step + SIDES.length) % SIDES.length];
    if (step === 0 || next === undefined) {
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
