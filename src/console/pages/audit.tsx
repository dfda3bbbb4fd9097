import { useEffect, useState } from 'preact/hooks';
import type { AuditEntry } from '../../api/audit.ts';
import { changeKind, fieldChanges } from '../logic/audit-diff.ts';
import { addressOf, type Place } from '../logic/location.ts';
import { Badge } from '../parts/badge.tsx';
import { useAction, useConsole } from '../parts/context.ts';
import { Empty, PageHead, Time } from '../parts/table.tsx';
import { readAudit } from '../resources.ts';

const PAGE = 50;

/** Who changed what, the newest first, page by page. The address holds what is looked for. */
export function AuditPage({ place }: { place: Place }) {
  const { resource = '', actor = '' } = place.params;
  const { onChange } = useConsole();
  const { busy, error, run } = useAction();
  const [pages, setPages] = useState<{ entries: AuditEntry[]; next: string | null } | undefined>(undefined);
  const [newer, setNewer] = useState(0);

  const first = (): void => {
    setNewer(0);
    run(
      () => readAudit({ resource, actor, limit: PAGE }),
      (page) => setPages({ entries: page.items, next: page.next }),
    );
  };
  const more = (cursor: string): void =>
    run(
      () => readAudit({ resource, actor, cursor, limit: PAGE }),
      (page) => setPages((before) => ({ entries: [...(before?.entries ?? []), ...page.items], next: page.next })),
    );
  useEffect(first, []);
  useEffect(
    () =>
      onChange('audit', (line) => {
        const entry = line?.item as AuditEntry | undefined;
        const fits =
          entry === undefined ||
          ((actor === '' || entry.actor === actor) &&
            (resource === '' || entry.changes.some((c) => c.resource === resource)));
        if (fits) {
          setNewer((n) => n + 1);
        }
      }),
    [],
  );

  const look = (event: SubmitEvent): void => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    const params = Object.fromEntries(
      [...form].map(([k, v]): [string, string] => [k, String(v).trim()]).filter(([, v]) => v !== ''),
    );
    location.hash = addressOf('audit', undefined, params);
  };
  return (
    <>
      <PageHead title="Audit log" hint="Every change with who, what, before and after. The newest 100,000 are kept." />
      <section class="card">
        <form class="head" onSubmit={look} role="search">
          <label class="inline">
            Who <input name="actor" defaultValue={actor} placeholder="eva, token/…" maxLength={256} />
          </label>
          <label class="inline">
            What <input name="resource" defaultValue={resource} placeholder="user/eva, satellite/n1" maxLength={300} />
          </label>
          <button type="submit">Look for it</button>
          {(actor !== '' || resource !== '') && <a href={addressOf('audit')}>Show all</a>}
          <span class="spring" />
          {newer > 0 && (
            <button type="button" onClick={first}>
              {newer === 1 ? 'One newer' : `${newer} newer`}: show
            </button>
          )}
        </form>
        <p class="message" role="alert">
          {error}
        </p>
        {pages !== undefined && <AuditTable entries={pages.entries} />}
        {pages?.next != null && (
          <p>
            <button type="button" disabled={busy} onClick={() => more(pages.next ?? '')}>
              Older ones
            </button>
          </p>
        )}
      </section>
    </>
  );
}

export function AuditTable({ entries }: { entries: AuditEntry[] }) {
  return (
    <div class="scroll">
      <table data-kind="audit">
        <thead>
          <tr>
            <th>When</th>
            <th>Who</th>
            <th>Did</th>
            <th>To what, before and after</th>
          </tr>
        </thead>
        <tbody>
          {entries.map((e) => (
            <tr key={e.seq}>
              <td class="when">
                <Time at={e.at} seconds />
              </td>
              <td>
                <a href={addressOf('audit', undefined, { actor: e.actor })}>{e.actor}</a>
              </td>
              <td class="mono">
                {e.kind}
                {e.outcome !== 'ok' && (
                  <>
                    {' '}
                    <Badge tone="warn">{e.outcome}</Badge>
                  </>
                )}
              </td>
              <td>
                {e.changes.length === 0 ? (
                  <span class="hint">{e.outcome === 'ok' ? 'changed nothing' : 'was refused'}</span>
                ) : (
                  e.changes.map((c, i) => <Change key={i} change={c} />)
                )}
              </td>
            </tr>
          ))}
          {entries.length === 0 && <Empty columns={4}>Nothing was changed.</Empty>}
        </tbody>
      </table>
    </div>
  );
}

function Change({ change: { resource, before, after } }: { change: AuditEntry['changes'][number] }) {
  const fields = fieldChanges(before, after);
  return (
    <details>
      <summary>
        <span class="mono">{resource}</span> {changeKind(before, after)}
      </summary>
      <table class="diff">
        <thead>
          <tr>
            <th>Field</th>
            <th>Before</th>
            <th>After</th>
          </tr>
        </thead>
        <tbody>
          {fields.map((f) => (
            <tr key={f.field}>
              <th scope="row">{f.field}</th>
              <td class="mono">{f.before}</td>
              <td class="mono">{f.after}</td>
            </tr>
          ))}
          {fields.length === 0 && <Empty columns={3}>Nothing that is shown.</Empty>}
        </tbody>
      </table>
    </details>
  );
}
