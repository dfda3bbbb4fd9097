import { useState } from 'preact/hooks';
import type { Overview, SatelliteInfo } from '../../cloud/api.ts';
import { may } from '../logic/access.ts';
import { addressOf } from '../logic/location.ts';
import { ago } from '../logic/time.ts';
import { Badge } from '../parts/badge.tsx';
import { useConsole, useLoaded, useNow } from '../parts/context.ts';
import { FormDialog } from '../parts/dialog.tsx';
import { PageHead, Time } from '../parts/table.tsx';
import { forgetSatellite, readAudit, revokeSatellite } from '../resources.ts';
import { AuditTable } from './audit.tsx';
import { SATELLITE_TONE } from './overview.tsx';

export function SatellitePage({ id, overview }: { id: string; overview: Overview }) {
  const { me } = useConsole();
  const satellite = overview.satellites.find((s) => s.id === id);
  return (
    <>
      <nav class="crumbs" aria-label="Where this is"><a href={addressOf('satellites')}>Satellites</a></nav>
      {satellite === undefined ? <Unknown id={id} /> : <Known satellite={satellite} />}
      {may(me, 'admin') && <Changes id={id} />}
    </>
  );
}

function Known({ satellite }: { satellite: SatelliteInfo }) {
  const { me, say } = useConsole();
  const now = useNow();
  const [revoking, setRevoking] = useState(false);
  const { id } = satellite;
  const facts: [string, preact.ComponentChildren][] = [
    ['State', <Badge tone={SATELLITE_TONE[satellite.state]}>{satellite.state}</Badge>],
    ['Heard', `${ago(satellite.lastSeen, now)} ago`],
    ['Node', satellite.node],
    ['Addresses', <span class="mono">{satellite.addresses.join(', ') || '–'}</span>],
    ['Load 1, 5, 15 min', <span class="mono">{satellite.load.map((l) => l.toFixed(2)).join(' ')}</span>],
    ['Version', <span class="mono">{satellite.version}</span>],
    ['Running since', <Time at={satellite.startedAt} />],
    ['Known since', <Time at={satellite.firstSeen} />],
  ];
  return (
    <>
      <PageHead title={id}>
        {may(me, 'query') && <a class="button primary" href={addressOf('query', undefined, { satellite: id })}>Ask this one</a>}
        {may(me, 'operate') && <button type="button" class="danger" onClick={() => setRevoking(true)}>Revoke</button>}
      </PageHead>
      <section class="card" aria-label="Facts">
        <dl class="facts">{facts.map(([name, value]) => <div key={name}><dt>{name}</dt><dd>{value}</dd></div>)}</dl>
      </section>
      <section class="card">
        <h2>{satellite.tables.length} tables</h2>
        <div class="tables">
          {satellite.tables.map((t) => (
            <details key={t.name}>
              <summary><span class="mono">{t.name}</span> <small>{t.columns.length} columns</small></summary>
              <p class="mono">{t.columns.join(', ')}</p>
              {may(me, 'query') && <a href={addressOf('query', undefined, { satellite: id, sql: `select * from ${t.name} limit 100` })}>Look into it</a>}
            </details>
          ))}
        </div>
      </section>
      {revoking && (
        <FormDialog
          title={`Revoke ${id}?`} action="Revoke" danger onClose={() => setRevoking(false)}
          onSubmit={async () => {
            await revokeSatellite(id);
            setRevoking(false);
            say(`${id} has been revoked.`);
          }}
        >
          <p>Its connections are cut on every control plane, its key is void for good, and it answers no more queries.</p>
          <p>A machine outside the cluster comes back by enrolling with a new key. A node of the cluster comes back when its revocation is forgotten on this page.</p>
        </FormDialog>
      )}
    </>
  );
}

/** Revoked, gone, or never heard: the cloud shows what it hears. */
function Unknown({ id }: { id: string }) {
  const { me, say } = useConsole();
  const [forgetting, setForgetting] = useState(false);
  return (
    <>
      <PageHead title={id}>
        {may(me, 'operate') && <button type="button" onClick={() => setForgetting(true)}>Forget the revocation</button>}
      </PageHead>
      <p class="notice">No satellite of this name is heard: it has been revoked, it is gone, or there has never been one.</p>
      {forgetting && (
        <FormDialog
          title={`Forget that ${id} was revoked?`} action="Forget it" onClose={() => setForgetting(false)}
          onSubmit={async () => {
            await forgetSatellite(id);
            setForgetting(false);
            say(`${id} may connect again.`);
          }}
        >
          <p>A node of the cluster may connect again at once. A machine outside it has to enrol again.</p>
        </FormDialog>
      )}
    </>
  );
}

function Changes({ id }: { id: string }) {
  const { data, error } = useLoaded('satellites', () => readAudit({ resource: `satellite/${id}`, limit: 50 }));
  return (
    <section class="card">
      <h2>What was changed</h2>
      <p class="message" role="alert">{error}</p>
      {data !== undefined && (data.items.length === 0 ? <p class="hint">Nothing yet.</p> : <AuditTable entries={data.items} />)}
    </section>
  );
}
