import { useState } from 'preact/hooks';
import type { ApplicationInfo, CloudInfo, NodeInfo, Overview, PodInfo } from '../../api/overview.ts';
import type { FleetSummary, SatelliteInfo } from '../../api/satellites.ts';
import { concernsOf, podIsWell } from '../logic/attention.ts';
import { addressOf } from '../logic/location.ts';
import { HEARD, heardOf } from '../logic/satellite-list.ts';
import { ago } from '../logic/time.ts';
import type { Tone } from '../logic/tone.ts';
import { Badge } from '../parts/badge.tsx';
import { useNow } from '../parts/context.ts';
import { useFleet } from '../parts/fleet.ts';
import { Empty, PageHead } from '../parts/table.tsx';

export const SATELLITE_TONE: Record<SatelliteInfo['state'], Tone> = {
  healthy: 'good',
  degraded: 'warn',
  unreachable: 'bad',
  enrolled: 'idle',
  revoked: 'bad',
};
const CLOUD_TONE: Record<CloudInfo['state'], Tone> = { healthy: 'good', 'not-ready': 'warn', unreachable: 'bad' };
const NATS_ROLE: Record<CloudInfo['nats']['role'], string> = {
  single: 'single server',
  leader: 'leader',
  follower: 'follower',
  none: 'no leader',
};
/** So many satellites, the worst first; all are on their own page. */
const SOME_SATELLITES = 50;

export function OverviewPage({ overview }: { overview: Overview }) {
  const now = useNow();
  const { nodes, clouds, satellites, applications, pods } = overview;
  return (
    <>
      <PageHead title="Overview" hint={`Of ${overview.cluster.name}, as it changes.`} />
      <Verdict overview={overview} />
      <section class="tiles" aria-label="Summary">
        <Tile name="Nodes" good={nodes.filter((n) => n.ready).length} all={nodes.length} word="ready" />
        <Tile
          name="Cloud"
          good={clouds.filter((c) => c.state === 'healthy').length}
          all={clouds.length}
          word="healthy"
        />
        <Tile name="Satellites" good={satellites.counts.healthy} all={heardOf(satellites)} word="healthy" />
        <Tile name="Pods" good={pods.filter(podIsWell).length} all={pods.length} word="ready" />
      </section>
      <Satellites fleet={satellites} now={now} />
      <Clouds clouds={clouds} now={now} />
      <Nodes nodes={nodes} now={now} />
      {applications.length > 0 && <Applications applications={applications} />}
      <Pods pods={pods} isReady={podIsWell} />
    </>
  );
}

/** Concerns that are told one by one; the tables below have all. */
const SOME_CONCERNS = 6;

function Verdict({ overview }: { overview: Overview }) {
  const concerns = concernsOf(overview);
  const worst = concerns[0];
  if (worst === undefined) {
    return (
      <p class="verdict good" role="status">
        <strong>All is well.</strong>
      </p>
    );
  }
  return (
    <div class={`verdict ${worst.tone}`} role="status">
      <strong>
        {concerns.length === 1 ? 'One thing needs attention' : `${concerns.length} things need attention`}
      </strong>
      <ul>
        {concerns.slice(0, SOME_CONCERNS).map((c) => (
          <li key={c.text} class={c.tone}>
            {c.text}
          </li>
        ))}
        {concerns.length > SOME_CONCERNS && <li>and {concerns.length - SOME_CONCERNS} more</li>}
      </ul>
    </div>
  );
}

function judged(good: number, all: number, word: string): { tone: Tone; said: string } {
  if (all === 0) {
    return { tone: 'idle', said: 'none known' };
  }
  if (good === all) {
    return { tone: 'good', said: `all ${word}` };
  }
  return { tone: good === 0 ? 'bad' : 'warn', said: `${all - good} not ${word}` };
}

function Tile({ name, good, all, word }: { name: string; good: number; all: number; word: string }) {
  const { tone, said } = judged(good, all, word);
  return (
    <div class={`tile ${tone}`}>
      <span class="label">{name}</span>
      <span class="figure">
        {good}
        <small> / {all}</small>
      </span>
      <span class="word">{said}</span>
    </div>
  );
}

function Nodes({ nodes, now }: { nodes: NodeInfo[]; now: number }) {
  return (
    <section class="card">
      <h2>Nodes</h2>
      <div class="scroll">
        <table data-kind="nodes">
          <thead>
            <tr>
              <th>Name</th>
              <th>State</th>
              <th>Role</th>
              <th>Address</th>
              <th>Kubernetes</th>
              <th>Age</th>
            </tr>
          </thead>
          <tbody>
            {nodes.map((n) => (
              <tr key={n.name}>
                <th scope="row">{n.name}</th>
                <td>
                  <Badge tone={n.ready ? 'good' : 'bad'} title={n.reason}>
                    {n.ready ? 'Ready' : 'NotReady'}
                  </Badge>
                  {n.reason !== undefined && <small class="reason">{n.reason}</small>}
                </td>
                <td>{n.role}</td>
                <td class="mono">{n.address}</td>
                <td class="mono">{n.version}</td>
                <td>{ago(n.createdAt, now)}</td>
              </tr>
            ))}
            {nodes.length === 0 && <Empty columns={6}>No node is known yet.</Empty>}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function Clouds({ clouds, now }: { clouds: CloudInfo[]; now: number }) {
  return (
    <section class="card">
      <h2>Cloud instances</h2>
      <div class="scroll">
        <table data-kind="clouds">
          <thead>
            <tr>
              <th>Node</th>
              <th>State</th>
              <th>Bus</th>
              <th>Connected to</th>
              <th>Version</th>
              <th>Heard</th>
            </tr>
          </thead>
          <tbody>
            {clouds.map((c) => (
              <tr key={c.name}>
                <th scope="row">{c.node}</th>
                <td>
                  <Badge tone={CLOUD_TONE[c.state]} title={c.reason}>
                    {c.state}
                  </Badge>
                  {(c.reason ?? c.warning) !== undefined && <small class="reason">{c.reason ?? c.warning}</small>}
                </td>
                <td>{NATS_ROLE[c.nats.role]}</td>
                <td>{c.nats.peers.length === 0 ? '–' : c.nats.peers.join(', ')}</td>
                <td class="mono">{c.version || '–'}</td>
                <td>{ago(c.lastSeen, now)} ago</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function Satellites({ fleet, now }: { fleet: FleetSummary; now: number }) {
  const all = heardOf(fleet);
  const { satellites = [], error } = useFleet({ state: HEARD, sort: 'state', limit: SOME_SATELLITES }, true);
  return (
    <section class="card">
      <h2>Satellites</h2>
      <p class="message" role="alert">
        {error}
      </p>
      <div class="scroll">
        <table data-kind="satellites">
          <thead>
            <tr>
              <th>Name</th>
              <th>State</th>
              <th>Addresses</th>
              <th>Load</th>
              <th>Version</th>
              <th>Heard</th>
            </tr>
          </thead>
          <tbody>
            {satellites.map((s) => (
              <tr key={s.id}>
                <th scope="row">
                  <a href={addressOf('satellites', s.id)}>{s.id}</a>
                </th>
                <td>
                  <Badge tone={SATELLITE_TONE[s.state]}>{s.state}</Badge>
                </td>
                <td class="mono">
                  {s.addresses.slice(0, 2).join(', ')}
                  {s.addresses.length > 2 && <span title={s.addresses.join('\n')}> +{s.addresses.length - 2}</span>}
                </td>
                <td class="mono">{s.load.map((l) => l.toFixed(2)).join(' ')}</td>
                <td class="mono">{s.version}</td>
                <td>{ago(s.lastSeen, now)} ago</td>
              </tr>
            ))}
            {all === 0 && <Empty columns={6}>No satellite has been heard yet.</Empty>}
          </tbody>
        </table>
      </div>
      {all > SOME_SATELLITES && (
        <p class="hint">
          <a href={addressOf('satellites')}>All {all} satellites</a>
        </p>
      )}
    </section>
  );
}

function Applications({ applications }: { applications: ApplicationInfo[] }) {
  return (
    <section class="card">
      <h2>Applications</h2>
      <div class="scroll">
        <table data-kind="applications">
          <thead>
            <tr>
              <th>Name</th>
              <th>Addresses</th>
            </tr>
          </thead>
          <tbody>
            {applications.map((a) => (
              <tr key={a.name}>
                <th scope="row">{a.name}</th>
                <td class="mono">
                  {a.addresses.map((address) => (
                    <div key={address}>
                      {/^https?:/.test(address) ? (
                        <a href={address} target="_blank" rel="noreferrer">
                          {address}
                        </a>
                      ) : (
                        address
                      )}
                    </div>
                  ))}
                  {a.addresses.length === 0 && '–'}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function Pods({ pods, isReady }: { pods: PodInfo[]; isReady: (p: PodInfo) => boolean }) {
  const [filter, setFilter] = useState('');
  const [onlyTrouble, setOnlyTrouble] = useState(false);
  const shown = pods.filter(
    (p) => (!onlyTrouble || !isReady(p)) && `${p.namespace}/${p.name} ${p.node}`.includes(filter.toLowerCase()),
  );
  return (
    <section class="card">
      <div class="head">
        <h2>Pods</h2>
        <span class="spring" />
        <label class="check">
          <input type="checkbox" checked={onlyTrouble} onChange={(e) => setOnlyTrouble(e.currentTarget.checked)} /> only
          those not ready
        </label>
        <input
          type="search"
          placeholder="Filter"
          aria-label="Filter pods"
          value={filter}
          onInput={(e) => setFilter(e.currentTarget.value)}
        />
      </div>
      <div class="scroll">
        <table data-kind="pods">
          <thead>
            <tr>
              <th>Namespace</th>
              <th>Name</th>
              <th>State</th>
              <th>Node</th>
              <th>Network</th>
              <th>Restarts</th>
            </tr>
          </thead>
          <tbody>
            {shown.map((p) => (
              <tr key={`${p.namespace}/${p.name}`}>
                <td>{p.namespace}</td>
                <th scope="row">{p.name}</th>
                <td>
                  <Badge tone={podTone(p, isReady(p))} title={p.reason}>
                    {podState(p, isReady(p))}
                  </Badge>
                  {p.reason !== undefined && !isReady(p) && <small class="reason">{p.reason}</small>}
                </td>
                <td>{p.node || '–'}</td>
                <td>{p.hostNetwork ? 'host' : 'pod'}</td>
                <td>{p.restarts}</td>
              </tr>
            ))}
            {shown.length === 0 && (
              <Empty columns={6}>{pods.length === 0 ? 'No pod is known yet.' : 'No pod fits.'}</Empty>
            )}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function podTone(pod: PodInfo, ready: boolean): Tone {
  if (ready) {
    return 'good';
  }
  return pod.phase === 'Failed' ? 'bad' : 'warn';
}

function podState(pod: PodInfo, ready: boolean): string {
  if (pod.phase !== 'Running') {
    return pod.phase;
  }
  return ready ? 'Ready' : 'NotReady';
}
