import t from 'tap';
import { openFleet, STARTED } from './support/fleet.ts';

t.test('when something was heard last is written down in turn, not with every heartbeat', async (t) => {
  const fleet = await openFleet(t);
  const some = Array.from({ length: 120 }, (_, n) => `w${n}`);
  for (const id of some) {
    fleet.beat({ id });
  }
  const first = fleet.now;
  const late = (): number => [...fleet.written.values()].filter((r) => r.lastSeen === first).length;
  t.equal(late(), 120, 'a new one at once');
  fleet.now += 5_000;
  for (const id of some) {
    fleet.beat({ id });
  }
  fleet.pass(1_000);
  t.equal(late(), 118);
  fleet.pass(59_000);
  t.equal(late(), 0, 'within a minute');
});

t.test(
  'a fault about one satellite ends nothing: not the hearing of others, not the judging of their silence',
  async (t) => {
    const fleet = await openFleet(t);
    fleet.beat({ id: 's0', certificateEnds: Number.MAX_SAFE_INTEGER });
    t.equal(fleet.registry.get('s0'), undefined, 'what is no heartbeat is not taken');
    fleet.registry.onChange((id) => {
      if (id === 's1') {
        throw new Error('a listener fails');
      }
    });
    for (const id of ['s1', 's2']) {
      t.doesNotThrow(() => fleet.beat({ id, certificateEnds: 8_640_000_000_000_000 }));
    }
    t.match(fleet.view.get('s2'), { state: 'healthy', certificateEnds: '+275760-09-13T00:00:00.000Z' });
    t.doesNotThrow(() => fleet.pass(31_000));
    t.same(
      ['s1', 's2'].map((id) => fleet.registry.get(id)?.state),
      ['unreachable', 'unreachable'],
    );
  },
);

t.test('of the addresses that a satellite says those are kept that are some', async (t) => {
  const fleet = await openFleet(t);
  fleet.beat({
    id: 's1',
    addresses: [
      '10.0.0.1',
      'fd00::1',
      'console.example',
      '10.0.0.2 console.example',
      '10.0.0.3\n10.0.0.4 x',
      'fe80::1%eth0',
      '',
      '::ffff:10.0.0.5',
    ],
  });
  t.match(fleet.registry.get('s1'), { state: 'healthy', addresses: ['10.0.0.1', 'fd00::1', '::ffff:10.0.0.5'] });
});

t.test('one that says other tables with each start is kept no better than the others', async (t) => {
  const fleet = await openFleet(t);
  const tables = (id: string): unknown => fleet.registry.tables(id)?.[0];
  fleet.beat({ id: 'usual' });
  const usual = tables('usual');
  const first = [{ name: 'odd0', columns: [] }];
  fleet.beat({ id: 'odd', tables: first });
  const odd = tables('odd');
  for (let n = 1; n <= 200; n += 1) {
    fleet.beat({
      id: 'odd',
      startedAt: new Date(fleet.now + n).toISOString(),
      tables: [{ name: `odd${n}`, columns: [] }],
    });
    if (n % 50 === 0) {
      fleet.beat({ id: `new${n}` });
    }
  }
  for (const n of [50, 100, 150, 200]) {
    t.equal(tables(`new${n}`), usual, 'what many have is kept once');
  }
  fleet.beat({ id: 'odd', startedAt: STARTED, tables: first });
  t.same(tables('odd'), first);
  t.not(tables('odd'), odd, 'what nobody has any more is forgotten');
});
