import t from 'tap';
import type { Frozen, LogInfo, Pipe } from '../../src/store/pipe.ts';
import { PATIENCE_MS, rebuild, replicasFor } from '../../src/store/rebuild.ts';
import { realTiming } from '../../src/store/timing.ts';

type Made = Pick<LogInfo, 'epoch' | 'base' | 'chain' | 'replicas'>;

/** What n1 makes of the answers of n2 and n3; undefined: none comes. */
async function tried(
  answers: Record<string, Frozen | undefined>,
  { own = { epoch: 2, message: 13, chain: 'c13', fit: true }, sinceMs = PATIENCE_MS, live = [] as string[] } = {},
): Promise<{ result: unknown; made: Made[] }> {
  const made: Made[] = [];
  const pipe = { remove: () => Promise.resolve(), create: async (log: Made) => void made.push(log) } as unknown as Pipe;
  const peers = {
    announce: () => undefined,
    onAnnouncement: () => undefined,
    onQuestion: () => undefined,
    stop: () => undefined,
    async ask(instance: string) {
      const answer = answers[instance];
      if (answer === undefined) {
        throw new Error('timeout');
      }
      return Buffer.from(JSON.stringify(answer));
    },
  };
  const result = await rebuild(2, sinceMs, {
    self: 'n1',
    instances: ['n1', 'n2', 'n3'],
    pipe,
    peers,
    timing: realTiming,
    replicas: 3,
    isLive: (name) => live.includes(name),
    freeze: () => own,
  });
  return { result, made };
}

t.test('it begins where the most advanced database is', async (t) => {
  const { result, made } = await tried(
    { n2: { epoch: 2, message: 16, chain: 'c16', fit: true }, n3: { epoch: 2, message: 13, chain: 'c13', fit: true } },
    { sinceMs: 0 },
  );
  t.same(result, { made: 3 });
  t.same(made, [{ epoch: 3, base: 16, chain: 'c16', replicas: 3 }]);
});

t.test(
  'who does not answer and is there is waited for, however long; who has been silent for long is not',
  async (t) => {
    const n3 = { epoch: 2, message: 13, chain: 'c13', fit: true };
    t.same(
      await tried({ n3 }, { live: ['n2', 'n3'], sinceMs: 100 * PATIENCE_MS }),
      { result: undefined, made: [] },
      'n2 may have what was acknowledged last',
    );
    t.same(await tried({ n3 }, { live: ['n3'], sinceMs: PATIENCE_MS - 1 }), { result: undefined, made: [] });
    t.match(await tried({ n3 }, { live: ['n3'] }), { result: { made: 3 } });
  },
);

t.test(
  'who knows that its database is damaged does not say where it begins, unless there is nobody else',
  async (t) => {
    const n3 = { epoch: 2, message: 13, chain: 'c13', fit: true };
    t.match(await tried({ n2: { epoch: 2, message: 16, chain: 'damaged', fit: false }, n3 }, { sinceMs: 0 }), {
      made: [{ base: 13, chain: 'c13' }],
    });
    t.match(
      await tried(
        { n2: { epoch: 2, message: 16, chain: 'c16', fit: false }, n3: { ...n3, fit: false } },
        { own: { epoch: 2, message: 13, chain: 'c13', fit: false }, sinceMs: 0 },
      ),
      { made: [{ base: 16 }] },
    );
  },
);

t.test('no majority with a history begins anew', async (t) => {
  const empty = { epoch: 0, message: 0, chain: '', fit: true };
  t.same(await tried({ n3: empty }), { result: undefined, made: [] });
  t.same(await tried({}), { result: undefined, made: [] });
  t.match(
    await tried({ n2: empty, n3: empty }, { own: empty, sinceMs: 0 }),
    { made: [{ epoch: 3, base: 0 }] },
    'all are there, and all are new',
  );
});

t.test('an epoch that somebody has gone on to is told', async (t) => {
  t.same(await tried({ n2: { epoch: 4, message: 20, chain: 'x', fit: true } }), { result: { known: 4 }, made: [] });
});

t.test('copies of the log, by instances', async (t) => {
  t.same([1, 2, 3, 4, 5].map(replicasFor), [1, 2, 3, 3, 5]);
});
