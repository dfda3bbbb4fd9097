import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';
import type { SatelliteState } from './api.ts';
import type { State } from './state/state.ts';

/** What a Prometheus server asks for. */
export interface Metrics {
  /** An answer was given; `path` as in the table of routes, time in seconds. */
  request(method: string, path: string, status: number, seconds: number): void;
  /** The text format, and its media type. */
  text(): Promise<string>;
  contentType: string;
  stop(): void;
}

export interface MetricsSources {
  state: State;
  satellites(): Readonly<Record<SatelliteState, number>>;
  queries(): number;
  notReady(): string | undefined;
}

/** One registry for each instance; the figures of the state are read when they are asked for. */
export function createMetrics(sources: MetricsSources): Metrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  const requests = new Counter({ name: 'terrarium_http_requests_total', help: 'Requests answered, by route and status.', labelNames: ['method', 'path', 'status'], registers });
  const seconds = new Histogram({ name: 'terrarium_http_request_seconds', help: 'Time until the answer was complete.', labelNames: ['method', 'path'], buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10, 30], registers });
  const gauge = (name: string, help: string, read: () => number): void => void new Gauge({ name, help, registers, collect() { this.set(read()); } });
  const status = (): ReturnType<NonNullable<ReturnType<State['current']>>['status']> | undefined => sources.state.current()?.status();
  gauge('terrarium_ready', 'Whether this instance is ready.', () => (sources.notReady() === undefined ? 1 : 0));
  gauge('terrarium_state_position', 'Position of the change applied last.', () => status()?.position ?? 0);
  gauge('terrarium_state_epoch', 'Epoch of the log of changes.', () => status()?.epoch ?? 0);
  gauge('terrarium_state_behind', 'Changes in the log that are not applied yet.', () => status()?.behind ?? 0);
  gauge('terrarium_state_schema', 'Active schema of the state.', () => status()?.schema ?? 0);
  gauge('terrarium_queries', 'Queries under way in this instance.', () => sources.queries());
  new Gauge({
    name: 'terrarium_satellites', help: 'Satellites by state.', labelNames: ['state'], registers,
    collect() {
      const { healthy, degraded, unreachable } = sources.satellites();
      for (const [state, n] of Object.entries({ healthy, degraded, unreachable })) this.set({ state }, n);
    },
  });
  return {
    request(method, path, code, took) {
      requests.inc({ method, path, status: code });
      seconds.observe({ method, path }, took);
    },
    text: () => registry.metrics(),
    contentType: registry.contentType,
    stop: () => registry.clear(),
  };
}
