import type { CloudInfo, NodeInfo, PodInfo } from '../api/overview.ts';
import type { FleetSummary } from '../api/satellites.ts';
import { nodeInfo, podInfo } from '../cloud/kubernetes.ts';
import { applicationAddresses } from '../kube/applications.ts';
import type { NodeObject } from '../kube/types.ts';
import type { PlaneHealth, Survey } from './survey.ts';

/** A cluster's state as `terrarium status --json` prints it. */
export interface Diagnosis {
  healthy: boolean;
  /** Whether anything answered at all. */
  reachable: boolean;
  /** ISO 8601. */
  at: string;
  /** Everything that is wrong, a sentence each, machines by name. */
  problems: string[];
  /** What is well now and may soon not be, in the same form. */
  warnings: string[];
  controlPlanes: PlaneHealth[];
  nodes: NodeInfo[];
  pods: PodInfo[];
  etcd: { ready: number; members: number };
  clouds: CloudInfo[];
  /** Counted, the worst by name; undefined where the cloud could not be asked. */
  satellites: FleetSummary | undefined;
  /** Name and addresses, of the nodes that run it. */
  applications: Record<string, string[]>;
}

/** `12 s`, `5 min`, `3 h`, `2 d` */
export function duration(ms: number): string {
  const s = Math.max(0, Math.round(ms / 1000));
  if (s < 120) {
    return `${s} s`;
  }
  if (s < 7_200) {
    return `${Math.round(s / 60)} min`;
  }
  if (s < 172_800) {
    return `${Math.round(s / 3_600)} h`;
  }
  return `${Math.round(s / 86_400)} d`;
}

function sentence(text: string): string {
  return text.trim().replace(/\.$/, '');
}

/** What Kubernetes says of a node that is not ready; undefined for one that is. */
function notReady(node: NodeObject | undefined, at: Date): string | undefined {
  if (node === undefined) {
    return undefined;
  }
  const ready = node.status?.conditions?.find((c) => c.type === 'Ready');
  if (ready?.status === 'True') {
    return undefined;
  }
  const since =
    ready?.lastTransitionTime === undefined
      ? ''
      : ` since ${duration(at.getTime() - Date.parse(ready.lastTransitionTime))}`;
  return `Kubernetes says NotReady${since}${ready?.message === undefined ? '' : ` (${sentence(ready.message)})`}`;
}

function planeProblem(plane: PlaneHealth, kubernetes: string | undefined): string | undefined {
  const { api, console } = plane;
  const parts: string[] = [];
  if (!api.answers && !console.answers) {
    const why = api.why === console.why ? ` (${api.why})` : ` (API server: ${api.why}; console: ${console.why})`;
    parts.push(`unreachable: API server and console do not answer${why}`);
  } else {
    if (!api.ready) {
      parts.push(
        api.answers
          ? `the API server is not ready: ${sentence((api.why ?? '').replace(/^not ready: /, ''))}`
          : `the API server does not answer: ${api.why}`,
      );
    }
    if (!console.ready) {
      parts.push(
        console.answers
          ? `the console is not ready: ${sentence(console.why ?? '')}`
          : `the console does not answer: ${console.why}`,
      );
    }
  }
  if (kubernetes !== undefined) {
    parts.push(kubernetes);
  }
  return parts.length === 0 ? undefined : `${plane.name} (${plane.address}): ${parts.join('; ')}`;
}

/** What is wrong with the machines, control planes first. Adds the names of those that are down to `down`. */
function machineProblems(
  { at, planes }: Survey,
  nodes: NodeInfo[],
  nodeObjects: ReadonlyMap<string, NodeObject>,
  down: Set<string>,
): string[] {
  const problems: string[] = [];
  for (const plane of planes) {
    const unready = notReady(nodeObjects.get(plane.name), at);
    const problem = planeProblem(plane, unready);
    if (problem !== undefined) {
      problems.push(problem);
    }
    if (unready !== undefined || (!plane.api.answers && !plane.console.answers)) {
      down.add(plane.name);
    }
  }
  for (const node of nodes) {
    if (planes.some((p) => p.name === node.name)) {
      continue;
    }
    const unready = notReady(nodeObjects.get(node.name), at);
    if (unready === undefined) {
      continue;
    }
    problems.push(`${node.name} (${node.address}): ${unready}`);
    down.add(node.name);
  }
  return problems;
}

/** What is wrong with pods on machines that are up. */
function podProblems(pods: PodInfo[], down: ReadonlySet<string>): string[] {
  return pods
    .filter((pod) => !pod.ready && pod.phase !== 'Succeeded' && !down.has(pod.node))
    .map(
      (pod) =>
        `pod ${pod.namespace}/${pod.name}${pod.node === '' ? '' : ` on ${pod.node}`} is not ready: ` +
        `${sentence(pod.reason ?? pod.phase)}`,
    );
}

/** What is wrong with clouds on machines that are up; a console that is not ready has been named with its machine. */
function cloudProblems(clouds: CloudInfo[], planes: PlaneHealth[], down: ReadonlySet<string>): string[] {
  return clouds
    .filter(
      (cloud) =>
        cloud.state !== 'healthy' &&
        !down.has(cloud.node) &&
        !planes.some((p) => p.name === cloud.node && !p.console.ready),
    )
    .map(
      (cloud) =>
        `cloud ${cloud.name} is ${cloud.state}${cloud.reason === undefined ? '' : `: ${sentence(cloud.reason)}`}`,
    );
}

/** What is wrong with satellites, or with nodes without one, where the machine is up. */
function satelliteProblems(satellites: FleetSummary, nodes: NodeInfo[], down: ReadonlySet<string>, at: Date): string[] {
  const problems = satellites.concerns
    .filter((satellite) => !down.has(satellite.node))
    .map(
      (satellite) =>
        `satellite ${satellite.id} is ${satellite.state}: last heard ` +
        `${duration(at.getTime() - Date.parse(satellite.lastSeen))} ago`,
    );
  const others = satellites.counts.degraded + satellites.counts.unreachable - satellites.concerns.length;
  if (others > 0) {
    problems.push(`${others} more satellites are not healthy; \`terrarium get satellites\` lists them`);
  }
  for (const node of nodes) {
    if (!down.has(node.name) && satellites.missing.includes(node.name)) {
      problems.push(`${node.name} (${node.address}): no satellite of it is known to the cloud`);
    }
  }
  return problems;
}

/**
 * Judges what was found; a pure function. A machine that is down is named once, not again by everything that ran on it.
 */
export function diagnose(found: Survey): Diagnosis {
  const { at, planes, kubernetes, overview } = found;
  const nodeObjects = new Map((kubernetes?.nodes ?? []).map((n) => [n.metadata.name, n]));
  const nodes = [...nodeObjects.values()].map(nodeInfo).sort((a, b) => a.name.localeCompare(b.name));
  const down = new Set<string>();
  const problems = machineProblems(found, nodes, nodeObjects, down);
  if (kubernetes === undefined) {
    problems.push(
      `Kubernetes could not be asked: ${found.kubernetesError ?? 'no API server answers'}; nodes and pods are not ` +
        'known',
    );
  }

  const pods = (kubernetes?.pods ?? [])
    .map(podInfo)
    .sort((a, b) => `${a.namespace}/${a.name}`.localeCompare(`${b.namespace}/${b.name}`));
  problems.push(...podProblems(pods, down));
  const etcd = pods.filter((p) => p.namespace === 'kube-system' && p.name === `etcd-${p.node}`);

  const clouds = overview?.clouds ?? [];
  const satellites = overview?.satellites;
  if (satellites === undefined) {
    problems.push(
      `The cloud could not be asked: ${found.overviewError ?? 'no console answers'}; clouds and satellites are not ` +
        'known',
    );
  } else {
    problems.push(...cloudProblems(clouds, planes, down), ...satelliteProblems(satellites, nodes, down, at));
  }
  const warnings = clouds.flatMap((c) =>
    c.warning === undefined || c.state !== 'healthy' ? [] : [`cloud ${c.name}: ${sentence(c.warning)}`],
  );
  const reachable = planes.some((p) => p.api.answers || p.console.answers);
  return {
    healthy: problems.length === 0,
    reachable,
    at: at.toISOString(),
    problems,
    warnings,
    controlPlanes: planes,
    nodes,
    pods,
    etcd: { ready: etcd.filter((p) => p.ready && !down.has(p.node)).length, members: etcd.length },
    clouds,
    satellites,
    applications: applicationAddresses(kubernetes?.applications ?? {}, nodes, pods),
  };
}
