import t from 'tap';
import { MAX_MESSAGE_BYTES, MAX_MESSAGE_ENTRIES } from '../../src/store/entry.ts';
import { openGrouping, type Grouping } from '../../src/store/grouping.ts';
import { seeded } from '../support/seeded.ts';
import { makeWorld, timingOf, type World } from '../support/store-world.ts';

const entry = (text: string): Uint8Array => Buffer.from(text);
const nobody = new AbortController().signal;

interface Sent {
  at: number;
  entries: string[];
  answer(): void;
  fail(error: Error): void;
}

function grouping(): {
  world: World;
  grouping: Grouping;
  sent: Sent[];
  settle(): Promise<void>;
  wait(ms: number): Promise<void>;
} {
  const world = makeWorld(seeded(20261121));
  const sent: Sent[] = [];
  const began = world.now();
  const group = openGrouping(
    (message) =>
      new Promise((resolve, reject) =>
        sent.push({
          at: world.now() - began,
          entries: Buffer.from(message).toString().split('\n'),
          answer: () => resolve(7),
          fail: reject,
        }),
      ),
    timingOf(world, { alive: true, step: () => undefined }),
  );
  const wait = async (ms: number): Promise<void> => {
    let over = false;
    world.at(ms, () => (over = true));
    await world.run(() => over, Infinity);
  };
  return { world, grouping: group, sent, settle: () => wait(0), wait };
}

t.test(
  'who is alone goes at once; who comes while a message is on its way goes with the others in the next',
  async (t) => {
    const { grouping: g, sent, settle } = grouping();
    const first = g.log(entry('a'), false, nobody);
    await settle();
    t.same(
      sent.map((s) => s.entries),
      [['a']],
    );
    const rest = ['b', 'c', 'd'].map((e) => g.log(entry(e), false, nobody));
    await settle();
    t.equal(sent.length, 1);
    sent[0]?.answer();
    t.equal(await first, 7);
    await settle();
    t.same(
      sent.map((s) => s.entries),
      [['a'], ['b', 'c', 'd']],
    );
    sent[1]?.answer();
    t.same(await Promise.all(rest), [7, 7, 7]);
  },
);

t.test('a message that fails fails all of its entries, and the next one goes', async (t) => {
  const { grouping: g, sent, settle } = grouping();
  const together = ['a', 'b'].map((e) => g.log(entry(e), false, nobody));
  const settled = Promise.allSettled(together);
  await settle();
  const next = g.log(entry('c'), false, nobody);
  sent[0]?.fail(new Error('no leader'));
  t.match(await settled, [{ status: 'rejected', reason: { message: 'no leader' } }, { status: 'rejected' }]);
  await settle();
  sent[1]?.answer();
  t.equal(await next, 7);
});

t.test('a message without an answer holds up the others for a moment only', async (t) => {
  const { grouping: g, sent, wait } = grouping();
  void g.log(entry('lost'), false, nobody);
  await wait(10);
  void g.log(entry('a'), false, nobody);
  await wait(300);
  void g.log(entry('b'), false, nobody);
  await wait(1);
  t.same(
    sent.map((s) => s.entries),
    [['lost'], ['a'], ['b']],
  );
  t.ok((sent[1]?.at ?? Infinity) <= 120, `after ${sent[1]?.at} ms`);
});

t.test('nothing is sent for who has gone, and some go alone', async (t) => {
  const { grouping: g, sent, settle } = grouping();
  void g.log(entry('a'), false, nobody);
  await settle();
  const gone = new AbortController();
  void g.log(entry('gone'), false, gone.signal);
  void g.log(entry('b'), false, nobody);
  void g.log(entry('alone'), true, nobody);
  void g.log(entry('c'), false, nobody);
  gone.abort();
  for (let n = 0; n < 4; n += 1) {
    sent[n]?.answer();
    await settle();
    await settle();
  }
  t.same(
    sent.map((s) => s.entries),
    [['a'], ['b'], ['alone'], ['c']],
  );
});

t.test('a message has no more entries and bytes than the bus takes', async (t) => {
  const { grouping: g, sent, settle } = grouping();
  for (let n = 0; n < MAX_MESSAGE_ENTRIES + 1; n += 1) {
    void g.log(entry(`${n}`), false, nobody);
  }
  const large = 'x'.repeat(MAX_MESSAGE_BYTES / 2);
  for (const name of ['l', 'm', 'n']) {
    void g.log(entry(`${name}${large}`), false, nobody);
  }
  for (let n = 0; n < 5; n += 1) {
    await settle();
    await settle();
    sent[n]?.answer();
  }
  t.same(
    sent.map((s) => s.entries.length),
    [MAX_MESSAGE_ENTRIES, 2, 1, 1],
  );
});
