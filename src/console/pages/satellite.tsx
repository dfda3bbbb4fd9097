import type { ComponentChildren } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { SatelliteInfo } from '../../api/satellites.ts';
import { may } from '../logic/access.ts';
import { addressOf } from '../logic/location.ts';
import { ago } from '../logic/time.ts';
import { Badge } from '../parts/badge.tsx';
import { useConsole, useLoaded, useNow } from '../parts/context.ts';
import { useFleet } from '../parts/fleet.ts';
import { Empty, PageHead, Tags, Time } from '../parts/table.tsx';
import { readAudit, readStates } from '../resources.ts';
import { AuditTable } from './audit.tsx';
import { SATELLITE_TONE } from './overview.tsx';
import { ACCESS_MEANING, SatelliteDialog, type SatelliteAction } from './satellite-dialog.tsx';

export function SatellitePage({ id }: { id: string }) {
  const { me } = useConsole();
  // As a list: one that is not there is no error in the browser's log.
  const { satellites, error } = useFleet({ ids: id, limit: 1, tables: 'all' }, true);
  return (
    <>
      <nav class="crumbs" aria-label="Where this is">
        <a href={addressOf('satellites')}>Satellites</a>
      </nav>
      <Satellite id={id} satellite={satellites?.[0]} />
      <p class="message" role="alert">
        {error}
      </p>
      {satellites?.length === 0 && <p class="notice">There is no satellite of this name.</p>}
      {may(me, 'admin') && <Changes id={id} />}
    </>
  );
}

/** Its title stands from the beginning, so that the focus stays there. */
function Satellite({ id, satellite }: { id: string; satellite: SatelliteInfo | undefined }) {
  const { me } = useConsole();
  const now = useNow();
  const [doing, setDoing] = useState<SatelliteAction | undefined>(undefined);
  if (satellite === undefined) {
    return <PageHead title={id} />;
  }
  const { state } = satellite;
  const operates = may(me, 'operate');
  const queries = may(me, 'query') && state !== 'revoked' && state !== 'enrolled';
  return (
    <>
      <PageHead title={id}>
        {queries && (
          <a class="button primary" href={addressOf('query', undefined, { satellite: id })}>
            Ask this one
          </a>
        )}
        {operates && <Actions state={state} onDo={setDoing} />}
      </PageHead>
      {state === 'revoked' && (
        <p class="notice">It has been revoked: it is cut off, its key is void, and it answers nothing.</p>
      )}
      {satellite.reason !== undefined && (
        <p class="message" role="status">
          {satellite.reason}
        </p>
      )}
      <section class="card" aria-label="Facts">
        <dl class="facts">
          {factsOf(satellite, now).map(([name, value]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </div>
          ))}
        </dl>
      </section>
      <section class="card">
        <h2>{satellite.tables.length} tables</h2>
        <Tables satellite={satellite} queries={queries} />
      </section>
      <States id={id} state={state} now={now} />
      {doing !== undefined && (
        <SatelliteDialog doing={doing} satellite={satellite} onClose={() => setDoing(undefined)} />
      )}
    </>
  );
}

function Actions({ state, onDo }: { state: SatelliteInfo['state']; onDo: (action: SatelliteAction) => void }) {
  if (state === 'revoked') {
    return (
      <button type="button" onClick={() => onDo('forget')}>
        Forget the revocation
      </button>
    );
  }
  return (
    <>
      <button type="button" onClick={() => onDo('change')}>
        Name and tags
      </button>
      <button type="button" onClick={() => onDo('access')}>
        How it is asked
      </button>
      <button type="button" class="danger" onClick={() => onDo('revoke')}>
        Revoke
      </button>
    </>
  );
}

function factsOf(satellite: SatelliteInfo, now: number): [string, ComponentChildren][] {
  const { state } = satellite;
  return [
    ['State', <Badge tone={SATELLITE_TONE[state]}>{state}</Badge>],
    ['Heard', state === 'enrolled' ? 'never' : `${ago(satellite.lastSeen, now)} ago`],
    ['Name', satellite.name],
    ['Tags', Object.keys(satellite.tags).length === 0 ? '–' : <Tags tags={satellite.tags} />],
    ['Node', satellite.node],
    ['Asked', ACCESS_MEANING[satellite.access]],
    ['Addresses', <span class="mono">{satellite.addresses.join(', ') || '–'}</span>],
    ['Load 1, 5, 15 min', <span class="mono">{satellite.load.map((l) => l.toFixed(2)).join(' ')}</span>],
    ['Version', <span class="mono">{satellite.version || '–'}</span>],
    ['Running since', <Time at={satellite.startedAt} />],
    ['Known since', <Time at={satellite.firstSeen} />],
    [
      'Certificate',
      satellite.certificateEnds === undefined ? (
        '–'
      ) : (
        <>
          {Date.parse(satellite.certificateEnds) > now ? 'ends' : 'ended'} <Time at={satellite.certificateEnds} />
        </>
      ),
    ],
  ];
}

/** @param queries whether one may look into them */
function Tables({ satellite, queries }: { satellite: SatelliteInfo; queries: boolean }) {
  return (
    <div class="tables">
      {satellite.tables.map((t) => (
        <details key={t.name}>
          <summary>
            <span class="mono">{t.name}</span> <small>{t.columns.length} columns</small>
          </summary>
          <p class="mono">{t.columns.join(', ')}</p>
          {queries && (
            <a
              href={addressOf('query', undefined, {
                satellite: satellite.id,
                sql: `select * from ${t.name} limit 100`,
              })}
            >
              Look into it
            </a>
          )}
        </details>
      ))}
    </div>
  );
}

/** A state that is seen is written into the history a moment later, together with others'. */
const WRITTEN_MS = 5_000;

function States({ id, state, now }: { id: string; state: string; now: number }) {
  // One that is deleted has none any more.
  const { data, error, reload } = useLoaded(
    'satellites',
    () => readStates(id),
    (line) => line.key === id && line.change !== 'deleted',
  );
  useEffect(() => {
    const timer = setTimeout(reload, WRITTEN_MS);
    return () => clearTimeout(timer);
  }, [state]);
  return (
    <section class="card">
      <h2>States</h2>
      <p class="message" role="alert">
        {error}
      </p>
      <div class="scroll">
        <table data-kind="states">
          <thead>
            <tr>
              <th>State</th>
              <th>Since</th>
              <th>By</th>
              <th>Why</th>
            </tr>
          </thead>
          <tbody>
            {data?.map((s) => (
              <tr key={s.seq}>
                <td>
                  <Badge tone={SATELLITE_TONE[s.state]}>{s.state}</Badge>
                </td>
                <td>
                  <Time at={s.at} seconds /> <small>{ago(s.at, now)} ago</small>
                </td>
                <td>{s.actor || '–'}</td>
                <td>{s.reason || '–'}</td>
              </tr>
            ))}
            {data?.length === 0 && <Empty columns={4}>No change of its state is known.</Empty>}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function Changes({ id }: { id: string }) {
  const { data, error } = useLoaded(
    'satellites',
    () => readAudit({ resource: `satellite/${id}`, limit: 50 }),
    (line) => line.key === id,
  );
  return (
    <section class="card">
      <h2>What was changed</h2>
      <p class="message" role="alert">
        {error}
      </p>
      {data !== undefined &&
        (data.items.length === 0 ? <p class="hint">Nothing yet.</p> : <AuditTable entries={data.items} />)}
    </section>
  );
}
