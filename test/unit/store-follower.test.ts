import t from 'tap';
import type { Core } from '../../src/store/core.ts';
import { openFollower } from '../../src/store/follower.ts';
import type { LogInfo, Pipe } from '../../src/store/pipe.ts';
import { seeded } from '../support/seeded.ts';
import { makeWorld, timingOf } from '../support/store-world.ts';

const LOG: LogInfo = { epoch: 1, base: 0, chain: '', first: 1, last: 10_000, replicas: 3 };

t.test('what waits to be applied is bounded: no more is asked for until it has been', async (t) => {
  const world = makeWorld(seeded(20261121));
  let [applied, largest, consumers, waiting] = [0, 0, 0, 0];
  const core = {
    machine: () => ({
      meta: () => ({ message: applied }),
      apply(messages: Uint8Array[]) {
        applied += messages.length;
        largest = Math.max(
          largest,
          messages.reduce((sum, m) => sum + m.length, 0),
        );
        return [];
      },
    }),
    announce: () => undefined,
  } as unknown as Core;
  const message = Buffer.alloc(64 * 1024);
  // All at once, as fast as it can, until it is stopped.
  const pipe = {
    async consume(_log: LogInfo, from: number, deliver: (n: number, bytes: Uint8Array) => void) {
      consumers += 1;
      let stopped = false;
      world.at(1, () => {
        for (let n = from; n <= 1000 && !stopped; n += 1) {
          deliver(n, message);
          waiting = Math.max(waiting, n - applied);
        }
      });
      return { stop: () => void (stopped = true) };
    },
  } as unknown as Pipe;
  let woken = 0;
  const follower = openFollower({
    core,
    pipe,
    timing: timingOf(world, { alive: true, step: () => undefined }),
    log: () => undefined,
    wake: () => void (woken += 1),
  });
  for (let n = 0; n < 50 && applied < 1000; n += 1) {
    await follower.follow(LOG, false);
    await world.run(() => !follower.following() || applied === 1000, world.now() + 60_000);
  }
  t.equal(applied, 1000);
  t.ok(waiting * message.length <= 17 * 1024 * 1024, `${waiting} messages waited`);
  t.ok(largest <= 192 * 1024, `${largest} bytes in one transaction`);
  t.ok(consumers > 2 && woken === consumers - 1, `${consumers} consumers`);
});
