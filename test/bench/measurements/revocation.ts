import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { admittedBy, cutFrom, enrolAt, persistentAt } from '../../support/enrolled.ts';
import { API_TOKEN, call, localClouds, until, type LocalClouds, type LocalNode } from '../../support/local-cloud.ts';
import { table, type Measurement } from '../measurement.ts';
import { spread } from '../samples.ts';
import { COMMAND, REMARK } from '../support/terrarium-command.ts';

const ROUNDS = 10;
const GOAL_MS = 2_000;

const nodes: [LocalNode, LocalNode, LocalNode] = [
  { name: 'n1', address: '127.0.0.1' },
  { name: 'n2', address: '127.0.0.2' },
  { name: 'n3', address: '127.0.0.3' },
];
const [asked, second, third] = nodes;

/** One revocation. */
interface Round {
  /** From the request to its answer, ms. */
  acknowledged: number;
  /**
   * From the answer until it was connected last, ms, by server and way (`n1 by TLS`); below 0 where it was cut before
   * the answer came.
   */
  cut: Record<string, number>;
}

/** @param meanwhile is begun right before the revocation and has ended before it is judged. */
async function revoke(
  clouds: LocalClouds,
  id: string,
  servers: LocalNode[],
  meanwhile: () => Promise<unknown>,
): Promise<Round> {
  const satellite = await enrolAt(clouds, id, asked);
  for (const node of servers) {
    await (await admittedBy(clouds, satellite.tls, node)).close();
  }
  const trying = persistentAt(clouds, satellite, nodes);
  try {
    await until('a connection to each server by both ways', () =>
      trying.lastUp.size === 2 * servers.length ? true : undefined,
    );
    const other = meanwhile();
    // Told where it is awaited.
    other.catch(() => undefined);
    const began = Date.now();
    const answer = await call(clouds, asked, `/api/v1/satellites/${id}/revoke`, {
      method: 'POST',
      headers: { authorization: `Bearer ${API_TOKEN}` },
    });
    if (answer.status !== 204) {
      throw new Error(`revoking is answered by ${answer.status} ${answer.body}`);
    }
    const ended = Date.now();
    await other;
    return { acknowledged: ended - began, cut: Object.fromEntries(await cutFrom(trying, ended)) };
  } finally {
    await trying.stop();
  }
}

export const measurement: Measurement = {
  title: 'Revocation of a satellite',
  needsLab: false,
  async run(say, signal) {
    const clouds = await localClouds(nodes, { command: COMMAND });
    const plain: Round[] = [];
    const starting: Round[] = [];
    const tell = (what: string, { acknowledged, cut }: Round): void =>
      say(
        `${what}: acknowledged after ${acknowledged} ms; ${Object.entries(cut)
          .map(([name, ms]) => `${name} ${ms}`)
          .join(', ')}`,
      );
    try {
      const running = new Map<string, ChildProcess>();
      const start = async (node: LocalNode): Promise<void> => void running.set(node.name, await clouds.start(node));
      await Promise.all(nodes.map(start));
      for (let n = 0; n < ROUNDS; n += 1) {
        signal.throwIfAborted();
        const round = await revoke(clouds, `plain-${n}`, nodes, () => Promise.resolve());
        tell('plain', round);
        plain.push(round);
      }
      for (let n = 0; n < ROUNDS; n += 1) {
        signal.throwIfAborted();
        const child = running.get(third.name);
        if (child === undefined) {
          throw new Error('no third cloud');
        }
        const ended = once(child, 'exit');
        child.kill('SIGTERM');
        await ended;
        const round = await revoke(clouds, `starting-${n}`, [asked, second], () => start(third));
        tell('while n3 starts', round);
        starting.push(round);
      }
    } finally {
      await clouds.stop();
    }
    const of = (rounds: Round[], servers: LocalNode[], way: string): (string | number)[] => {
      const samples = rounds.flatMap(({ cut }) => servers.flatMap(({ name }) => cut[`${name} by ${way}`] ?? []));
      if (samples.length === 0) {
        return ['never connected', ''];
      }
      const { p50, max } = spread(samples);
      return [p50, max];
    };
    const row = (what: string, rounds: Round[], servers: LocalNode[]): (string | number)[] => [
      what,
      ...of(rounds, servers, 'TLS'),
      ...of(rounds, servers, 'WebSocket'),
    ];
    const slowest = Math.max(...[...plain, ...starting].flatMap(({ cut }) => Object.values(cut)));
    const answers = (rounds: Round[]): string => {
      const { p50, max } = spread(rounds.map((r) => r.acknowledged));
      return `p50 ${p50} ms, slowest ${max} ms`;
    };
    const markdown = [
      'Three cloud instances and their nats-servers on one machine; a satellite that tries each server by both ' +
        `ways without a pause, and is revoked at n1; ${ROUNDS} rounds each. From the acknowledgement of the ` +
        `revocation until it was connected last, ms; below 0 where it was cut before.${REMARK}`,
      '',
      table(
        ['', 'TLS: p50', 'slowest', 'WebSocket: p50', 'slowest'],
        [
          row('three servers', plain, nodes),
          row('n1 and n2, while n3 starts', starting, [asked, second]),
          row('n3, which starts', starting, [third]),
        ],
      ),
      '',
      `Acknowledged: three servers ${answers(plain)}; while n3 starts ${answers(starting)}. Goal: cut on every ` +
        `server within ${GOAL_MS / 1000} s of the acknowledgement (${slowest <= GOAL_MS ? 'kept' : 'missed'}: ` +
        `${slowest} ms at most).`,
    ].join('\n');
    return { data: { plain, starting }, markdown };
  },
};
