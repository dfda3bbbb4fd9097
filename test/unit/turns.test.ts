import t from 'tap';
import { createTurns, type Turns } from '../../src/cloud/auth/turns.ts';

const never = new AbortController().signal;

/** Work that ends when it is told to, and in which order it was begun. */
function worked(turns: Turns) {
  const begun: string[] = [];
  const ends = new Map<string, () => void>();
  let failed = 0;
  const take = (client: string, name: string, signal = never): Promise<string> =>
    turns
      .take({ client, signal }, async () => {
        begun.push(name);
        await new Promise<void>((resolve) => ends.set(name, resolve));
        return name;
      })
      .catch((error: { code: string }) => {
        failed += 1;
        return error.code;
      });
  const soon = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  const end = async (name: string): Promise<void> => {
    ends.get(name)?.();
    await soon();
  };
  return { begun, take, end, soon, failed: () => failed };
}

t.test('clients take turns, each with one piece of work at a time', async (t) => {
  const { begun, take, end, soon } = worked(createTurns({ atOnce: 2, mostWaiting: 64 }));
  for (let i = 0; i < 20; i += 1) {
    void take('many', `m${i}`);
  }
  await soon();
  t.same(begun, ['m0'], 'there is room for another, but not for the same client');
  void take('a', 'a0');
  void take('a', 'a1');
  void take('b', 'b0');
  await soon();
  t.same(begun, ['m0', 'a0'], 'who comes after twenty of another is not the twenty-first');
  await end('m0');
  t.same(begun.slice(2), ['b0'], 'the one that has not had a turn yet');
  await end('a0');
  await end('b0');
  t.same(begun.slice(3).sort(), ['a1', 'm1']);
  await end('a1');
  await end('m1');
  t.same(begun.slice(5), ['m2']);
});

t.test('so many wait and no more; a client with fewer takes the place of the one with the most', async (t) => {
  const { begun, take, end, soon, failed } = worked(createTurns({ atOnce: 2, mostWaiting: 4 }));
  const many = Array.from({ length: 7 }, (_, i) => take('many', `m${i}`));
  await soon();
  t.equal(failed(), 2, 'one runs, four wait');
  t.same(await Promise.all(many.slice(5)), ['busy', 'busy']);
  void take('other', 'o0');
  for (const client of ['a', 'b', 'c']) {
    void take(client, client);
  }
  await soon();
  t.equal(failed(), 5);
  t.same(await Promise.all(many.slice(2, 5)), ['busy', 'busy', 'busy']);
  t.equal(await take('d', 'd'), 'busy', 'of five clients with one each none is pushed out');
  // Those that begin meanwhile are among them.
  for (const name of begun) {
    await end(name);
  }
  t.same(begun.toSorted(), ['a', 'b', 'c', 'm0', 'm1', 'o0']);
  const after = take('d', 'd');
  await soon();
  await end('d');
  t.equal(await after, 'd', 'and there is room again');
});

t.test('whose request has gone is not worked for', async (t) => {
  const { begun, take, end, soon } = worked(createTurns({ atOnce: 1, mostWaiting: 4 }));
  const gone = new AbortController();
  void take('a', 'a0');
  const waits = take('a', 'a1', gone.signal);
  void take('b', 'b0');
  await soon();
  gone.abort();
  t.equal(await waits, 'busy');
  t.equal(await take('c', 'c0', gone.signal), 'busy');
  await end('a0');
  await end('b0');
  t.same(begun, ['a0', 'b0']);
});

t.test('work that fails gives its place back, and who names no client has one of his own', async (t) => {
  const turns = createTurns({ atOnce: 1, mostWaiting: 64 });
  const results = await Promise.allSettled([
    turns.take(undefined, () => Promise.reject(new Error('no'))),
    turns.take(undefined, () => Promise.resolve(7)),
  ]);
  t.match(results, [
    { status: 'rejected', reason: /no/ },
    { status: 'fulfilled', value: 7 },
  ]);
});
