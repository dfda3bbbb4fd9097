import type { RefObject } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { FleetSummary } from '../../api/satellites.ts';
import type { SavedQuery } from '../../api/saved-queries.ts';
import { intervalText } from '../../interval-text.ts';
import type { HistoryEntry } from '../logic/history.ts';
import { addressOf, type Place } from '../logic/location.ts';
import type { Result } from '../logic/result.ts';
import { insertWord } from '../logic/schema-tree.ts';
import { useConsole } from '../parts/context.ts';
import { PageHead } from '../parts/table.tsx';
import { SatelliteChoice } from './choice.tsx';
import { Actions, Editor, OrderFields, type Order } from './editor.tsx';
import { useHistory } from './history.ts';
import { ResultView } from './result-view.tsx';
import { useQuery, type Outcome, type Request } from './run.ts';
import { SaveDialog } from './saved.tsx';
import { ScheduleDialog } from './schedule-dialog.tsx';
import { SidePanel, type Side } from './side-panel.tsx';
import { useChoice } from './use-choice.ts';

const EXAMPLE =
  'select pid, name, uid, rss_bytes / 1048576 as rss_mb\nfrom processes\norder by rss_bytes desc\nlimit 20';

export function QueryPage({ fleet, place }: { fleet: FleetSummary; place: Place }) {
  const { me } = useConsole();
  const statement = useStatement();
  const { sql } = statement;
  // Without a choice all are asked, those too that appear later.
  const [chosen, setChosen] = useState<ReadonlySet<string> | undefined>(undefined);
  const [maxRows, setMaxRows] = useState<number>(10_000);
  const [order, setOrder] = useState<Order>({ column: '', descending: false, limit: '' });
  const [side, setSide] = useState<Side>('Tables');
  const history = useHistory(me.user);
  const [asking, setAsking] = useState<'save' | 'schedule' | undefined>(undefined);
  const query = useQuery((request, result, outcome) => history.add(entryOf(request, result, outcome)));

  useAddress(place, (satellite) => setChosen(new Set([satellite])), statement.setSql);
  const { choice, named, asked, tables } = useChoice(fleet, chosen);
  const run = (): void => {
    if (sql.trim() !== '' && asked > 0) {
      query.start({ sql, ...(named === undefined ? {} : { satellites: named }), maxRows, ...orderOf(order, asked) });
    }
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
            <Editor editor={statement.editor} sql={sql} onSql={statement.setSql} onRun={run} query={query} />
            <SatelliteChoice {...choice} chosen={chosen} onChoose={setChosen} />
            {asked > 1 && <OrderFields order={order} onOrder={setOrder} />}
            <Actions
              query={query}
              asked={asked}
              empty={sql.trim() === ''}
              maxRows={maxRows}
              onMaxRows={setMaxRows}
              onAsk={setAsking}
            />
          </form>
          <Opened statement={statement} />
          <p class="message" role="alert">
            {query.error}
          </p>
        </section>
        <SidePanel
          side={side}
          onSide={setSide}
          tables={asked === 0 ? [] : (tables.data?.items ?? [])}
          asked={tables.data?.satellites ?? 0}
          onInsert={statement.insert}
          history={history.entries}
          onClear={history.clear}
          onOpen={statement.open}
        />
      </div>
      {query.result !== undefined && <ResultView result={query.result} running={query.running} />}
      {asking === 'schedule' && (
        <Scheduling
          statement={statement}
          satellites={chosen === undefined ? undefined : named}
          onClose={() => setAsking(undefined)}
        />
      )}
      {asking === 'save' && (
        <Saving statement={statement} onClose={() => setAsking(undefined)} onSaved={() => setSide('Saved')} />
      )}
    </>
  );
}

/** Takes the satellite and the statement that an address names. */
function useAddress(place: Place, onSatellite: (id: string) => void, onSql: (sql: string) => void): void {
  const { satellite, sql } = place.page === 'query' ? place.params : {};
  useEffect(() => {
    if (satellite !== undefined) {
      onSatellite(satellite);
    }
    if (sql !== undefined) {
      onSql(sql);
    }
  }, [satellite, sql]);
}

interface Statement {
  sql: string;
  setSql(sql: string): void;
  /** The saved query that it was opened from. */
  opened: SavedQuery | undefined;
  setOpened(saved: SavedQuery | undefined): void;
  editor: RefObject<HTMLTextAreaElement | null>;
  /** Puts a statement in its place. */
  open(sql: string, saved?: SavedQuery): void;
  /** Puts a word where the cursor is. */
  insert(word: string): void;
}

/** The statement in the editor. */
function useStatement(): Statement {
  const [sql, setSql] = useState(EXAMPLE);
  const [opened, setOpened] = useState<SavedQuery | undefined>(undefined);
  const editor = useRef<HTMLTextAreaElement>(null);
  return {
    sql,
    setSql,
    opened,
    setOpened,
    editor,
    open(text, saved) {
      setSql(text);
      setOpened(saved);
      editor.current?.focus();
    },
    insert(word) {
      const element = editor.current;
      if (element === null) {
        return;
      }
      const { text, caret } = insertWord(element.value, element.selectionStart, element.selectionEnd, word);
      element.value = text;
      element.setSelectionRange(caret, caret);
      setSql(text);
      element.focus();
    },
  };
}

function entryOf(request: Request, result: Result, outcome: Outcome): HistoryEntry {
  return {
    sql: request.sql,
    at: new Date().toISOString(),
    satellites: request.satellites?.length ?? result.parts.size,
    rows: result.total,
    outcome,
    ...(result.ms === undefined ? {} : { ms: result.ms }),
  };
}

/** The rows of one satellite come in the order of its statement. */
function orderOf(order: Order, asked: number): Pick<Request, 'order' | 'limit'> {
  const column = order.column.trim();
  return {
    ...(asked < 2 || column === '' ? {} : { order: [{ column, descending: order.descending }] }),
    ...(asked > 1 && Number(order.limit) > 0 ? { limit: Number(order.limit) } : {}),
  };
}

function Opened({ statement: { sql, opened } }: { statement: Statement }) {
  return opened === undefined ? null : (
    <p class="hint">
      Opened: <strong>{opened.name}</strong>
      {opened.sql === sql ? '' : ', changed since'}
    </p>
  );
}

function Scheduling({
  statement: { sql, opened },
  satellites,
  onClose,
}: {
  statement: Statement;
  satellites: string[] | undefined;
  onClose: () => void;
}) {
  const { say } = useConsole();
  return (
    <ScheduleDialog
      sql={sql}
      saved={opened}
      satellites={satellites}
      onClose={onClose}
      onDone={(made) => {
        onClose();
        say(`${made.name} will run every ${intervalText(made.everySeconds)}.`);
        location.hash = addressOf('schedules', made.id);
      }}
    />
  );
}

function Saving({
  statement: { sql, opened, setOpened },
  onClose,
  onSaved,
}: {
  statement: Statement;
  onClose: () => void;
  onSaved: () => void;
}) {
  return (
    <SaveDialog
      sql={sql}
      opened={opened}
      onClose={onClose}
      onSaved={(saved) => {
        onClose();
        setOpened(saved);
        onSaved();
      }}
    />
  );
}
