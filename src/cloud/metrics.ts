import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';
import type { SatelliteState } from '../api/satellites.ts';
import { DAY_MS } from '../pki/crypto.ts';
import type { State } from './state/state.ts';

/** What a Prometheus server asks for. */
export interface Metrics {
  /** An answer was given; `path` as in the table of routes, time in seconds. */
  request(method: string, path: string, status: number, seconds: number): void;
  /** Scheduled runs that this instance has ended, by how, and times that were skipped or missed. */
  schedule(outcome: ScheduleOutcome, times: number): void;
  /** Logins were refused; `recorded`: they are in the audit log by name and address. */
  failedLogins(n: number, recorded: boolean): void;
  /** The text format, and its media type. */
  text(): Promise<string>;
  contentType: string;
  stop(): void;
}

export type ScheduleOutcome = 'done' | 'partial' | 'failed' | 'lost' | 'skipped' | 'missed';

export interface MetricsSources {
  state: State;
  satellites(): Readonly<Record<SatelliteState, number>>;
  /** When the certificate of each satellite ends that is not revoked, as far as is known, milliseconds since 1970. */
  certificateEnds(): number[];
  queries(): number;
  /** The free part of the file system with the state, 0 to 1; undefined where it cannot be told. */
  diskFree(): number | undefined;
  notReady(): string | undefined;
}

const ENDING_MS = 60 * DAY_MS;

/** One registry for each instance; the figures of the state are read when they are asked for. */
export function createMetrics(sources: MetricsSources): Metrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  const requests = new Counter({
    name: 'terrarium_http_requests_total',
    help: 'Requests answered, by route and status.',
    labelNames: ['method', 'path', 'status'],
    registers,
  });
  const seconds = new Histogram({
    name: 'terrarium_http_request_seconds',
    help: 'Time until the answer was complete.',
    labelNames: ['method', 'path'],
    buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10, 30],
    registers,
  });
  const runs = new Counter({
    name: 'terrarium_schedule_runs_total',
    help:
      'Scheduled runs that this instance ended, by how they ended; skipped: times that passed during a run; missed: ' +
      'times that a late run stood for.',
    labelNames: ['outcome'],
    registers,
  });
  for (const outcome of ['done', 'partial', 'failed', 'lost', 'skipped', 'missed']) {
    runs.inc({ outcome }, 0);
  }
  const logins = new Counter({
    name: 'terrarium_failed_logins_total',
    help: 'Refused logins, by whether the audit log has them by name and address.',
    labelNames: ['recorded'],
    registers,
  });
  addInstanceGauges(registers, sources);
  addSatelliteGauges(registers, sources);
  return {
    request(method, path, code, took) {
      requests.inc({ method, path, status: code });
      seconds.observe({ method, path }, took);
    },
    schedule: (outcome, times) => runs.inc({ outcome }, times),
    failedLogins: (n, recorded) => logins.inc({ recorded: recorded ? 'yes' : 'no' }, n),
    text: () => registry.metrics(),
    contentType: registry.contentType,
    stop: () => registry.clear(),
  };
}

function gauge(registers: Registry[], name: string, help: string, read: () => number): void {
  new Gauge({
    name,
    help,
    registers,
    collect() {
      this.set(read());
    },
  });
}

function addInstanceGauges(registers: Registry[], sources: MetricsSources): void {
  const status = (): ReturnType<NonNullable<ReturnType<State['current']>>['status']> | undefined =>
    sources.state.current()?.status();
  gauge(registers, 'terrarium_ready', 'Whether this instance is ready.', () =>
    sources.notReady() === undefined ? 1 : 0,
  );
  gauge(registers, 'terrarium_state_position', 'Position of the change applied last.', () => status()?.position ?? 0);
  gauge(registers, 'terrarium_state_epoch', 'Epoch of the log of changes.', () => status()?.epoch ?? 0);
  gauge(
    registers,
    'terrarium_state_behind',
    'Changes in the log that are not applied yet.',
    () => status()?.behind ?? 0,
  );
  gauge(registers, 'terrarium_state_schema', 'Active schema of the state.', () => status()?.schema ?? 0);
  gauge(registers, 'terrarium_queries', 'Queries under way in this instance.', () => sources.queries());
  gauge(
    registers,
    'terrarium_disk_free_ratio',
    'Free part of the file system with the state, 0 to 1; below 0.07, or below 1 GiB, this instance changes nothing.',
    () => sources.diskFree() ?? Number.NaN,
  );
}

function addSatelliteGauges(registers: Registry[], sources: MetricsSources): void {
  new Gauge({
    name: 'terrarium_satellites',
    help: 'Satellites by state.',
    labelNames: ['state'],
    registers,
    collect() {
      const { healthy, degraded, unreachable } = sources.satellites();
      for (const [state, n] of Object.entries({ healthy, degraded, unreachable })) {
        this.set({ state }, n);
      }
    },
  });
  new Gauge({
    name: 'terrarium_satellite_certificates',
    help: 'Certificates of satellites on the bus: valid, ending within 60 days (renewed ones are long before), ended.',
    labelNames: ['state'],
    registers,
    collect() {
      const counts = { valid: 0, ending: 0, ended: 0 };
      const now = Date.now();
      for (const ends of sources.certificateEnds()) {
        counts[certificateState(ends, now)] += 1;
      }
      for (const [state, n] of Object.entries(counts)) {
        this.set({ state }, n);
      }
    },
  });
  gauge(
    registers,
    'terrarium_satellite_certificate_next_end_seconds',
    'Unix time at which the next certificate of a satellite ends; 0 where none is known.',
    () => {
      const left = sources.certificateEnds().filter((ends) => ends > Date.now());
      return left.length === 0 ? 0 : left.reduce((a, b) => Math.min(a, b)) / 1000;
    },
  );
}

function certificateState(ends: number, now: number): 'valid' | 'ending' | 'ended' {
  if (ends <= now) {
    return 'ended';
  }
  return ends - now < ENDING_MS ? 'ending' : 'valid';
}
