import t from 'tap';
import { asLeader, serverId, type MetaServer } from '../../src/bus/meta-group.ts';
import { watchDeparted } from '../../src/cloud/departed.ts';

const there = (name: string): MetaServer => ({ id: serverId(name), name, connected: true });
const away = (name: string): MetaServer => ({ ...there(name), connected: false });

/** What a watch does while `seconds` pass, a look every 2 s. */
function world(): {
  group: MetaServer[] | undefined;
  names: string[] | undefined;
  removed: string[];
  log: string[];
  refused?: string;
  pass(seconds: number): Promise<void>;
} {
  let now = 0;
  const w: ReturnType<typeof world> = {
    group: [there('n1'), there('n2'), there('n4'), away('n3')],
    names: ['n1', 'n2', 'n4'],
    removed: [],
    log: [],
    async pass(seconds) {
      for (const end = now + seconds * 1000; now < end; now += 2000) {
        await look();
      }
    },
  };
  const look = watchDeparted({
    registered: () => w.names,
    group: () => w.group,
    async remove(id) {
      if (w.refused !== undefined) {
        throw new Error(w.refused);
      }
      w.removed.push(id);
      w.group = w.group?.filter((s) => s.id !== id);
    },
    log: (line) => void w.log.push(line),
    now: () => now,
  });
  return w;
}

t.test('who has been gone and away for a minute is removed, once', async (t) => {
  const w = world();
  await w.pass(58);
  t.same(w.removed, []);
  await w.pass(6);
  t.same(w.removed, [serverId('n3')]);
  t.same(w.log, [
    'bus: removed the server of n3, which is no control plane any more and has not been connected for 60 s: 3 ' +
      'servers agree on the log from now on',
  ]);
  await w.pass(600);
  t.equal(w.log.length, 1);
});

t.test('a wrong look at the nodes passes, as does a loss of connection', async (t) => {
  const w = world();
  for (const pause of [
    (): void => void (w.names = ['n1', 'n2', 'n3', 'n4']),
    (): void => void (w.names = undefined),
    (): void => void (w.group = undefined),
    (): void => void (w.group = [there('n1'), there('n2'), there('n3'), there('n4')]),
  ]) {
    const { names, group } = w;
    await w.pass(58);
    pause();
    await w.pass(2);
    w.names = names;
    w.group = group;
    await w.pass(58);
    t.same(w.removed, []);
    w.names = ['n1', 'n2', 'n3', 'n4'];
    await w.pass(2);
    w.names = names;
  }
});

t.test('who is registered or there is never removed, whatever its name is known as', async (t) => {
  const w = world();
  w.group = [
    there('n1'),
    there('n2'),
    there('n9'),
    { ...away('n4'), name: 'Server name unknown at this time' },
    away('n3'),
  ];
  w.names = ['n1', 'n2', 'n3', 'n4'];
  await w.pass(600);
  t.same(w.removed, []);
});

t.test('nobody where those that are left would have no majority; two that are gone one after the other', async (t) => {
  const w = world();
  w.group = [there('n1'), away('n2'), away('n3'), away('n4')];
  w.names = ['n1'];
  await w.pass(600);
  t.same(w.removed, []);
  w.group = [there('n1'), there('n5'), there('n4'), away('n2'), away('n3')];
  w.names = ['n1', 'n4', 'n5'];
  await w.pass(64);
  t.same(w.removed, [serverId('n2'), serverId('n3')]);
});

t.test(
  'what is refused is said and tried again a minute later; a difference is said when it lasts, and when it ends',
  async (t) => {
    const w = world();
    w.refused = 'no';
    await w.pass(64);
    t.match(w.log, [/could not remove the server of n3, .*: no$/]);
    t.equal(w.log.length, 1);
    await w.pass(150);
    t.same(
      w.log.filter((line) => !line.includes('could not')),
      [
        'bus: for 3 minutes 4 servers agree on the log (n1, n2, n3, n4), and there are 3 control planes (n1, n2, ' +
          'n4): writes need 3 of those servers',
      ],
    );
    delete w.refused;
    await w.pass(64);
    t.equal(w.log.at(-1), 'bus: each of the 3 control planes has its part in the log again');
  },
);

t.test('the group by the word of its leader only', async (t) => {
  const group = {
    leader: 'n1',
    peer: serverId('n1'),
    replicas: [
      { name: 'n2', peer: serverId('n2') },
      { name: 'Server name unknown at this time', peer: serverId('n3') },
    ],
  };
  t.same(
    asLeader('n1', group, ['n2'])?.map((s) => [s.id, s.connected]),
    [
      [serverId('n1'), true],
      [serverId('n2'), true],
      [serverId('n3'), false],
    ],
  );
  t.equal(asLeader('n1', group, ['n2', 'n3'])?.[2]?.connected, true, 'known by its id');
  t.equal(asLeader('n2', group, ['n1']), undefined);
  t.equal(
    asLeader('n1', { ...group, peer: 'another' }, ['n2']),
    undefined,
    'ids are made in another way: nobody is known by his own',
  );
});
