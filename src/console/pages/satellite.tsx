import type { ComponentChildren } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { SatelliteInfo } from '../../api/satellites.ts';
import { may } from '../logic/access.ts';
import { parseTags, tagText } from '../logic/enrolment.ts';
import { addressOf } from '../logic/location.ts';
import { ago } from '../logic/time.ts';
import { Badge } from '../parts/badge.tsx';
import { useConsole, useLoaded, useNow } from '../parts/context.ts';
import { FormDialog } from '../parts/dialog.tsx';
import { useFleet } from '../parts/fleet.ts';
import { Empty, PageHead, Tags, Time } from '../parts/table.tsx';
import { changeSatellite, forgetSatellite, readAudit, readStates, revokeSatellite } from '../resources.ts';
import { AuditTable } from './audit.tsx';
import { SATELLITE_TONE } from './overview.tsx';

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

type Doing = 'change' | 'access' | 'revoke' | 'forget';

type Access = SatelliteInfo['access'];
const ACCESS_MEANING: Record<Access, string> = {
  both: 'directly where the browser reaches it, else through the cloud',
  cloud: 'through the cloud only',
  direct: 'directly only: its rows never pass the cloud',
};

/** Its title stands from the beginning, so that the focus stays there. */
function Satellite({ id, satellite }: { id: string; satellite: SatelliteInfo | undefined }) {
  const { me } = useConsole();
  const now = useNow();
  const [doing, setDoing] = useState<Doing | undefined>(undefined);
  if (satellite === undefined) {
    return <PageHead title={id} />;
  }
  const { state } = satellite;
  const operates = may(me, 'operate');
  const queries = may(me, 'query') && state !== 'revoked' && state !== 'enrolled';
  const facts: [string, ComponentChildren][] = [
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
  return (
    <>
      <PageHead title={id}>
        {queries && (
          <a class="button primary" href={addressOf('query', undefined, { satellite: id })}>
            Ask this one
          </a>
        )}
        {operates && state !== 'revoked' && (
          <button type="button" onClick={() => setDoing('change')}>
            Name and tags
          </button>
        )}
        {operates && state !== 'revoked' && (
          <button type="button" onClick={() => setDoing('access')}>
            How it is asked
          </button>
        )}
        {operates && state !== 'revoked' && (
          <button type="button" class="danger" onClick={() => setDoing('revoke')}>
            Revoke
          </button>
        )}
        {operates && state === 'revoked' && (
          <button type="button" onClick={() => setDoing('forget')}>
            Forget the revocation
          </button>
        )}
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
          {facts.map(([name, value]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </div>
          ))}
        </dl>
      </section>
      <section class="card">
        <h2>{satellite.tables.length} tables</h2>
        <div class="tables">
          {satellite.tables.map((t) => (
            <details key={t.name}>
              <summary>
                <span class="mono">{t.name}</span> <small>{t.columns.length} columns</small>
              </summary>
              <p class="mono">{t.columns.join(', ')}</p>
              {queries && (
                <a href={addressOf('query', undefined, { satellite: id, sql: `select * from ${t.name} limit 100` })}>
                  Look into it
                </a>
              )}
            </details>
          ))}
        </div>
      </section>
      <States id={id} state={state} now={now} />
      {doing !== undefined && (
        <SatelliteDialog doing={doing} satellite={satellite} onClose={() => setDoing(undefined)} />
      )}
    </>
  );
}

function SatelliteDialog({
  doing,
  satellite,
  onClose,
}: {
  doing: Doing;
  satellite: SatelliteInfo;
  onClose: () => void;
}) {
  const { say } = useConsole();
  const { id } = satellite;
  const done = (text: string): void => {
    onClose();
    say(text);
  };
  switch (doing) {
    case 'change':
      return (
        <FormDialog
          title={`Name and tags of ${id}`}
          action="Change"
          onClose={onClose}
          onSubmit={async (form) => {
            await changeSatellite(satellite, {
              name: String(form.get('name')),
              tags: parseTags(String(form.get('tags'))),
            });
            done(`${id} has been changed.`);
          }}
        >
          <label>
            Name <input name="name" required maxLength={200} defaultValue={satellite.name} autocomplete="off" />
          </label>
          <label>
            Tags{' '}
            <input
              name="tags"
              defaultValue={tagText(satellite.tags).join(' ')}
              placeholder="place=cellar role=camera"
              autocomplete="off"
              maxLength={2000}
            />
          </label>
          <p class="hint">Its id, {id}, stays.</p>
        </FormDialog>
      );
    case 'access':
      return (
        <FormDialog
          title={`How ${id} is asked`}
          action="Change"
          onClose={onClose}
          onSubmit={async (form) => {
            await changeSatellite(satellite, { access: String(form.get('access')) as Access });
            done(`${id} has been changed.`);
          }}
        >
          <fieldset class="options">
            <legend>Queries go</legend>
            {(['both', 'cloud', 'direct'] as const).map((a) => (
              <label key={a}>
                <input type="radio" name="access" value={a} defaultChecked={a === satellite.access} required />{' '}
                <span>
                  {a}
                  <small>{ACCESS_MEANING[a]}</small>
                </span>
              </label>
            ))}
          </fieldset>
        </FormDialog>
      );
    case 'revoke':
      return (
        <FormDialog
          title={`Revoke ${id}?`}
          action="Revoke"
          danger
          onClose={onClose}
          onSubmit={async (form) => {
            await revokeSatellite(id, String(form.get('reason')).trim());
            done(`${id} has been revoked.`);
          }}
        >
          <p>
            Its connections are cut on every control plane, its key is void for good, and it answers no more queries.
          </p>
          <p>
            A machine outside the cluster comes back by enrolling with a new key. A node of the cluster comes back when
            its revocation is forgotten on this page.
          </p>
          <label>
            Why, for those who look later <input name="reason" maxLength={300} autocomplete="off" />
          </label>
        </FormDialog>
      );
    case 'forget':
      return (
        <FormDialog
          title={`Forget that ${id} was revoked?`}
          action="Forget it"
          onClose={onClose}
          onSubmit={async () => {
            await forgetSatellite(id);
            done(`The revocation of ${id} is forgotten.`);
          }}
        >
          <p>A node of the cluster may connect again at once. A machine outside it has to enrol again.</p>
        </FormDialog>
      );
  }
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
