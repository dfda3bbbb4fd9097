import { useMemo, useRef, useState } from 'preact/hooks';
import type { QueryLine, QueryState, SatelliteInfo } from '../cloud/api.ts';
import { ApiError, runQuery } from './api.ts';
import { Badge, type Tone } from './badge.tsx';
import { addLine, emptyResult, type Part, type Result } from './result.ts';

const STATE_TONE: Record<QueryState, Tone> = { pending: 'idle', rows: 'good', empty: 'good', error: 'bad', lost: 'bad', denied: 'bad' };
/** Rows put into the page; more are counted. */
const SHOWN = 1000;
const EXAMPLE = 'select pid, name, uid, rss_bytes / 1048576 as rss_mb\nfrom processes\norder by rss_bytes desc\nlimit 20';

export function QueryPage({ satellites, onSignedOut }: { satellites: SatelliteInfo[]; onSignedOut: () => void }) {
  const [sql, setSql] = useState(EXAMPLE);
  const [excluded, setExcluded] = useState<ReadonlySet<string>>(new Set());
  const [result, setResult] = useState<Result | undefined>(undefined);
  const [error, setError] = useState<string | undefined>(undefined);
  const [running, setRunning] = useState<AbortController | undefined>(undefined);
  const editor = useRef<HTMLTextAreaElement>(null);
  const chosen = satellites.map((s) => s.id).filter((id) => !excluded.has(id));
  const tables = useMemo(() => [...new Map(satellites.flatMap((s) => s.tables).map((t) => [t.name, t.columns])).entries()].sort(), [satellites]);

  const run = (): void => {
    if (running !== undefined || sql.trim() === '' || chosen.length === 0) return;
    const abort = new AbortController();
    const current = emptyResult(chosen);
    // Lines come faster than a page can be painted: they are gathered and shown once a frame.
    let frame: number | undefined;
    const show = (): void => {
      frame = undefined;
      setResult({ ...current });
    };
    const onLine = (line: QueryLine): void => {
      addLine(current, line, SHOWN);
      frame ??= requestAnimationFrame(show);
    };
    setError(undefined);
    setResult({ ...current });
    setRunning(abort);
    runQuery({ sql, satellites: chosen }, onLine, abort.signal)
      .catch((e: unknown) => {
        if (abort.signal.aborted) setError('Cancelled.');
        else if (e instanceof ApiError && e.status === 401) onSignedOut();
        else setError(e instanceof ApiError ? e.message : 'The answer broke off.');
      })
      .finally(() => setRunning(undefined));
  };
  const toggle = (id: string): void => {
    const next = new Set(excluded);
    if (!next.delete(id)) next.add(id);
    setExcluded(next);
  };
  const insert = (text: string): void => {
    editor.current?.setRangeText(text, editor.current.selectionStart, editor.current.selectionEnd, 'end');
    setSql(editor.current?.value ?? sql);
    editor.current?.focus();
  };

  return (
    <>
      <h1 class="sr">Query</h1>
      <section class="card">
        <div class="editor">
          <form onSubmit={(e) => { e.preventDefault(); run(); }}>
            <label for="sql" class="sr">SQL</label>
            <textarea
              id="sql" ref={editor} rows={6} spellcheck={false} value={sql} maxLength={65_536}
              onInput={(e) => setSql(e.currentTarget.value)}
              onKeyDown={(e) => { if (e.key === 'Enter' && (e.ctrlKey || e.metaKey)) { e.preventDefault(); run(); } }}
            />
            <fieldset class="chips">
              <legend>Satellites</legend>
              {satellites.map((s) => (
                <label key={s.id} class="chip">
                  <input type="checkbox" checked={!excluded.has(s.id)} onChange={() => toggle(s.id)} /> {s.id}
                  {s.state !== 'healthy' && <small> ({s.state})</small>}
                </label>
              ))}
              {satellites.length === 0 && <span class="hint">None has been heard yet.</span>}
            </fieldset>
            <div class="actions">
              <button type="submit" class="primary" disabled={running !== undefined || chosen.length === 0}>Run</button>
              {running !== undefined && <button type="button" onClick={() => running.abort()}>Cancel</button>}
              <span class="hint">Ctrl+Enter runs it.</span>
            </div>
          </form>
          <aside aria-label="Tables">
            <h2>Tables</h2>
            {tables.map(([name, columns]) => (
              <details key={name}>
                <summary>{name}</summary>
                <ul>{columns.map((c) => <li key={c}><button type="button" class="link" onClick={() => insert(c)}>{c}</button></li>)}</ul>
              </details>
            ))}
          </aside>
        </div>
        <p class="message" role="alert">{error}</p>
      </section>
      {result !== undefined && <ResultView result={result} />}
    </>
  );
}

function ResultView({ result }: { result: Result }) {
  const several = result.parts.size > 1;
  return (
    <section class="card" aria-label="Result">
      <div class="head">
        <h2>{result.total} {result.total === 1 ? 'row' : 'rows'}</h2>
        <ul class="parts">
          {[...result.parts].map(([sat, part]) => <li key={sat}><Badge tone={STATE_TONE[part.state]} title={part.message}>{sat}: {describe(part)}</Badge></li>)}
        </ul>
        <span class="spring" />
        {result.ms !== undefined && <span class="hint">{result.ms} ms</span>}
      </div>
      {[...result.parts].filter(([, p]) => p.message !== undefined).map(([sat, p]) => <p key={sat} class="message">{sat}: {p.message}</p>)}
      {result.columns.length > 0 && (
        <div class="scroll tall">
          <table data-kind="result">
            <thead><tr>{several && <th>satellite</th>}{result.columns.map((c, i) => <th key={i} class={typeof result.rows[0]?.values[i] === 'number' ? 'number' : undefined}>{c}</th>)}</tr></thead>
            <tbody>
              {result.rows.map((row, i) => (
                <tr key={i}>
                  {several && <td>{row.sat}</td>}
                  {row.values.map((v, j) => <td key={j} class={typeof v === 'number' ? 'number' : 'mono'}>{v === null ? <i class="null">null</i> : typeof v === 'object' ? `blob ${v.blob}` : v}</td>)}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {result.total > result.rows.length && <p class="hint">The first {result.rows.length} rows are shown.</p>}
    </section>
  );
}

function describe(part: Part): string {
  if (part.state === 'pending') return part.rows > 0 ? `${part.rows} rows so far` : 'waiting';
  if (part.state === 'rows') return `${part.rows} ${part.rows === 1 ? 'row' : 'rows'}${part.truncated === undefined ? '' : `, cut off by the limit of ${part.truncated}`}`;
  return part.state === 'empty' ? 'no rows' : part.state;
}
