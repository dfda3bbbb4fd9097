import type { Context } from '../context/context.ts';
import { duration, type Diagnosis } from '../context/diagnosis.ts';
import type { Health } from '../context/survey.ts';
import { cell, table } from './table.ts';

function health(part: Health): string {
  if (part.ready) {
    return 'ready';
  }
  return part.answers ? 'not ready' : 'no answer';
}

function section(title: string, header: string[], rows: string[][]): string {
  return rows.length === 0
    ? ''
    : `\n${title}\n${table(
        header,
        rows.map((r) => r.map(cell)),
      )}`;
}

/** `3 healthy, 1 degraded` */
function countsText(counts: Record<string, number>): string {
  const some = ['healthy', 'degraded', 'unreachable', 'enrolled', 'revoked'].flatMap((state) =>
    (counts[state] ?? 0) === 0 ? [] : [`${counts[state]} ${state}`],
  );
  return some.length === 0 ? 'none' : some.join(', ');
}

/** A cluster's state for people, section by section, what is wrong at the end. */
export function statusText(context: Context, state: Diagnosis): string {
  const now = Date.parse(state.at);
  const ready = state.pods.filter((p) => p.ready).length;
  const counted = state.pods.filter((p) => p.phase !== 'Succeeded').length;
  const unready = state.pods.filter((p) => !p.ready && p.phase !== 'Succeeded');
  const parts = [
    `Cluster ${context.name} (${context.clusterId})\n`,
    section(
      'Control planes',
      ['NAME', 'ADDRESS', 'API SERVER', 'CONSOLE'],
      state.controlPlanes.map((p) => [p.name, p.address, health(p.api), health(p.console)]),
    ),
    section(
      'Nodes',
      ['NAME', 'ADDRESS', 'ROLE', 'STATE', 'VERSION'],
      state.nodes.map((n) => [n.name, n.address, n.role, n.ready ? 'Ready' : 'NotReady', n.version]),
    ),
    state.pods.length === 0
      ? ''
      : `\nPods: ${ready} of ${counted} ready; etcd: ${state.etcd.ready} of ${state.etcd.members} members ready\n`,
    unready.length === 0
      ? ''
      : table(
          ['NAMESPACE', 'NAME', 'NODE', 'STATE'],
          unready.map((p) => [p.namespace, p.name, p.node, p.reason ?? p.phase].map(cell)),
        ),
    section(
      'Cloud',
      ['NAME', 'STATE', 'BUS', 'LAST SEEN'],
      state.clouds.map((c) => [c.name, c.state, c.nats.role, `${duration(now - Date.parse(c.lastSeen))} ago`]),
    ),
    state.satellites === undefined ? '' : `\nSatellites: ${countsText(state.satellites.counts)}\n`,
    state.satellites === undefined || state.satellites.concerns.length === 0
      ? ''
      : table(
          ['NAME', 'STATE', 'LAST SEEN'],
          state.satellites.concerns.map((s) =>
            [s.id, s.state, `${duration(now - Date.parse(s.lastSeen))} ago`].map(cell),
          ),
        ),
    section(
      'Applications',
      ['NAME', 'ADDRESS'],
      Object.entries(state.applications).flatMap(([name, list]) =>
        list.map((address, i) => [i === 0 ? name : '', address]),
      ),
    ),
    section(
      'Console',
      ['ADDRESS'],
      state.controlPlanes.map((p) => [
        `https://${p.address.includes(':') ? `[${p.address}]` : p.address}:${context.ports.console}`,
      ]),
    ),
    state.warnings.length === 0 ? '' : `\nWarnings\n${state.warnings.map((w) => `  ${cell(w)}\n`).join('')}`,
    state.healthy
      ? '\nEverything is healthy.\n'
      : `\nProblems\n${state.problems.map((p) => `  ${cell(p)}\n`).join('')}`,
  ];
  return parts.join('');
}
