import t from 'tap';
import type { CloudInfo } from '../../src/api/overview.ts';
import { consoleServers } from '../../src/cloud/direct/dns.ts';
import { watchDisk } from '../../src/cloud/disk.ts';
import { cachedSpace } from '../../src/store/space.ts';

const GIB = 1024 ** 3;

t.test('a disk that gets full warns first, then says why nothing can be changed', async (t) => {
  const said = (free: number, total: number): [string | undefined, string | undefined] => {
    const disk = watchDisk(() => ({ free: free * GIB, total: total * GIB }));
    return [disk.low()?.slice(0, 9), disk.full()?.slice(0, 29)];
  };
  const full = 'There is too little free spac';
  t.same(said(16, 100), [undefined, undefined]);
  t.same(said(14.9, 100), ['Only 14 %', undefined]);
  t.same(said(7.5, 100), ['Only 7 % ', undefined]);
  t.same(said(6.9, 100), [undefined, full]);
  t.same(said(0.9, 5), [undefined, full], 'less than 1 GiB, whatever part that is');
  t.same(said(0, 0), [undefined, full]);
});

t.test('it is looked at once a second, and one that cannot be looked at is not written to', async (t) => {
  let now = 0;
  let looks = 0;
  const space = cachedSpace(
    () => {
      looks += 1;
      if (now > 1_000) {
        throw new Error('EIO');
      }
      return { free: 50 * GIB, total: 100 * GIB };
    },
    () => now,
  );
  const disk = watchDisk(space);
  for (let i = 0; i < 10; i += 1) {
    t.same([disk.free(), disk.full(), disk.low()], [0.5, undefined, undefined]);
  }
  t.equal(looks, 1);
  now = 1_001;
  t.same(
    [disk.free(), disk.full(), disk.low()],
    [undefined, 'It cannot be told how much of the disk of the cloud is free: EIO.', undefined],
  );
  t.equal(looks, 2);
});

t.test("the console's name leads to who is healthy; where nobody is, to who answers", async (t) => {
  const servers = ['n1', 'n2', 'n3'].map((name, i) => ({ name, address: `10.0.0.${i + 1}` }));
  const cloud = (name: string, state: CloudInfo['state']): CloudInfo => ({
    name,
    node: name,
    state,
    ready: state === 'healthy',
    version: '',
    nats: { role: 'none', peers: [], version: '' },
    lastSeen: '',
  });
  const named = (...states: CloudInfo['state'][]): string[] =>
    consoleServers(
      servers,
      states.map((state, i) => cloud(`n${i + 1}`, state)),
    ).map((s) => s.name);
  t.same(named('healthy', 'not-ready', 'healthy'), ['n1', 'n3']);
  t.same(named('not-ready', 'unreachable', 'not-ready'), ['n1', 'n3']);
  t.same(named('unreachable', 'unreachable', 'unreachable'), []);
});
