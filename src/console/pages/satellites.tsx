import { useEffect, useState } from 'preact/hooks';
import type { FleetSummary, SatelliteInfo } from '../../api/satellites.ts';
import { may } from '../logic/access.ts';
import { addressOf } from '../logic/location.ts';
import { knownOf, type SortKey } from '../logic/satellite-list.ts';
import { ago } from '../logic/time.ts';
import { Badge } from '../parts/badge.tsx';
import { useConsole, useNow } from '../parts/context.ts';
import { useFleet } from '../parts/fleet.ts';
import { Empty, PageHead, Tags } from '../parts/table.tsx';
import { SATELLITE_TONE } from './overview.tsx';

/** Rows of a page: as many as one watch follows. */
const ROWS = 100;
/** Somebody types on. */
const TYPING_MS = 200;

export function SatellitesPage({ fleet }: { fleet: FleetSummary }) {
  const { me } = useConsole();
  const now = useNow();
  const [filter, setFilter] = useState('');
  const [sort, setSort] = useState<SortKey>('id');
  const [text, setText] = useState('');
  /** Where the pages before this one, and this one, begin. */
  const [cursors, setCursors] = useState<string[]>([]);
  useEffect(() => {
    const timer = setTimeout(() => setText(filter.trim()), TYPING_MS);
    return () => clearTimeout(timer);
  }, [filter]);
  useEffect(() => setCursors([]), [text, sort]);
  const { satellites, current, matched, next, error } = useFleet(
    { text, sort, cursor: cursors.at(-1) ?? '', limit: ROWS },
    true,
  );
  const shown = satellites ?? [];
  const known = knownOf(fleet);
  const first = cursors.length * ROWS;
  return (
    <>
      <PageHead title="Satellites" hint="One on each machine; it answers SQL about it.">
        {may(me, 'operate') && (
          <a class="button" href={addressOf('enrolment')}>
            Add a machine
          </a>
        )}
      </PageHead>
      <p class="message" role="alert">
        {error}
      </p>
      <section class="card">
        <div class="head">
          <input
            type="search"
            placeholder="Name, tag, address, state"
            aria-label="Filter satellites"
            value={filter}
            onInput={(e) => setFilter(e.currentTarget.value)}
          />
          <SortField sort={sort} onSort={setSort} />
          <span class="spring" />
          <span class="hint" role="status">
            {satellites !== undefined && (text === '' ? `${matched}` : `${matched} of ${known}`)}
          </span>
        </div>
        <SatellitesTable
          satellites={satellites}
          now={now}
          none={known === 0 ? 'No satellite has been heard yet.' : 'No satellite fits.'}
        />
        {(next !== null || cursors.length > 0) && (
          <nav class="pages" aria-label="Pages of satellites">
            <button
              type="button"
              disabled={!current || cursors.length === 0}
              onClick={() => setCursors(cursors.slice(0, -1))}
            >
              Previous
            </button>
            <span class="hint" role="status">
              {current ? `${first + 1} to ${first + shown.length} of ${matched}` : 'Loading…'}
            </span>
            <button
              type="button"
              disabled={!current || next === null}
              onClick={() => setCursors([...cursors, next ?? ''])}
            >
              Next
            </button>
          </nav>
        )}
      </section>
    </>
  );
}

function SortField({ sort, onSort }: { sort: SortKey; onSort: (sort: SortKey) => void }) {
  return (
    <label class="inline">
      Sorted by
      <select value={sort} onChange={(e) => onSort(e.currentTarget.value as SortKey)}>
        <option value="id">name</option>
        <option value="state">state, the worst first</option>
        <option value="load">load, the highest first</option>
        <option value="lastSeen">last heard, the longest silent first</option>
      </select>
    </label>
  );
}

function SatellitesTable({
  satellites,
  now,
  none,
}: {
  satellites: SatelliteInfo[] | undefined;
  now: number;
  /** What stands there instead of rows. */
  none: string;
}) {
  const { me } = useConsole();
  return (
    <div class="scroll">
      <table data-kind="satellite-list">
        <thead>
          <tr>
            <th>Name</th>
            <th>State</th>
            <th>Tags</th>
            <th>Addresses</th>
            <th>Load 1, 5, 15 min</th>
            <th>Version</th>
            <th>Heard</th>
            {may(me, 'query') && (
              <th>
                <span class="sr">Query</span>
              </th>
            )}
          </tr>
        </thead>
        <tbody>
          {satellites?.map((s) => (
            <SatelliteRow key={s.id} satellite={s} now={now} />
          ))}
          {satellites?.length === 0 && <Empty columns={8}>{none}</Empty>}
        </tbody>
      </table>
    </div>
  );
}

function SatelliteRow({ satellite: s, now }: { satellite: SatelliteInfo; now: number }) {
  const { me } = useConsole();
  return (
    <tr>
      <th scope="row">
        <a href={addressOf('satellites', s.id)}>{s.id}</a>
        {s.name !== s.id && <small class="reason">{s.name}</small>}
      </th>
      <td>
        <Badge tone={SATELLITE_TONE[s.state]}>{s.state}</Badge>
      </td>
      <td>
        <Tags tags={s.tags} />
      </td>
      <td class="mono">
        {s.addresses.slice(0, 2).join(', ')}
        {s.addresses.length > 2 && <span title={s.addresses.join('\n')}> +{s.addresses.length - 2}</span>}
      </td>
      <td class="mono">
        {s.state === 'enrolled' || s.state === 'revoked' ? '–' : s.load.map((l) => l.toFixed(2)).join(' ')}
      </td>
      <td class="mono">{s.version}</td>
      <td>{s.state === 'enrolled' ? 'never' : `${ago(s.lastSeen, now)} ago`}</td>
      {may(me, 'query') && (
        <td>
          {s.state !== 'revoked' && s.state !== 'enrolled' && (
            <a href={addressOf('query', undefined, { satellite: s.id })} aria-label={`Ask ${s.id}`}>
              Ask
            </a>
          )}
        </td>
      )}
    </tr>
  );
}
