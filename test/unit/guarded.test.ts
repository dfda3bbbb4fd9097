import { setImmediate as turn } from 'node:timers/promises';
import type { Msg, NatsConnection } from '@nats-io/transport-node';
import t from 'tap';
import { listen } from '../../src/bus/listen.ts';
import { guarded } from '../../src/guarded.ts';

t.test('what throws is logged, and again only after a minute', async (t) => {
  const lines: string[] = [];
  let now = 0;
  const work = guarded(
    'work',
    (line) => lines.push(line.split('\n')[0] ?? ''),
    (what: string) => {
      if (what === 'later') {
        return Promise.reject(new Error(what));
      }
      if (what !== 'well') {
        throw what === 'text' ? what : new Error(what);
      }
    },
    () => now,
  );
  // One place of each, so that it has one stack.
  for (const what of ['well', 'first', 'first', 'text', 'later', 'first']) {
    t.doesNotThrow(() => work(what));
    await turn();
  }
  t.same(lines, ['work: Error: first', 'work: text', 'work: Error: later', 'work: Error: first']);
  now += 59_999;
  work('text');
  work('text');
  now += 60_000;
  work('text');
  t.same(lines.slice(4), ['work: text', 'work: text'], 'at once, then after a minute');
});

t.test('a message of which the taking throws does not end the reading of the connection', async (t) => {
  const lines: string[] = [];
  const taken: string[] = [];
  let callback: ((error: Error | null, msg: Msg) => void) | undefined;
  const nc = {
    subscribe: (_: string, options: { callback: typeof callback; queue?: string }) => (
      (callback = options.callback),
      { queue: options.queue }
    ),
  } as unknown as NatsConnection;
  const subscription: unknown = listen(nc, 'a.b', { queue: 'q', log: (line) => lines.push(line) }, (msg) => {
    if (msg.subject === 'bad') {
      throw new Error('no');
    }
    taken.push(msg.subject);
  });
  t.same(subscription, { queue: 'q' });
  for (const subject of ['good', 'bad', 'good']) {
    t.doesNotThrow(() => callback?.(null, { subject } as Msg));
  }
  t.doesNotThrow(() => callback?.(new Error('not permitted'), {} as Msg), 'there is no message then');
  t.same(taken, ['good', 'good']);
  t.match(lines, [/^bus: a message on a\.b was not taken: Error: no/]);
});
