import t from 'tap';
import { partitionPairs } from '../../installer/lab/faults/faults.ts';
import { faultComment, faultRules, parseFaultComment, type NetworkFault } from '../../installer/lab/faults/network.ts';
import { planMachines } from '../../installer/lab/plan.ts';

const machines = planMachines({
  nodes: 3,
  dir: '/var/lib/terrarium-lab',
  diskGiB: 20,
  mtu: undefined,
  blackHole: undefined,
  route: true,
  dns: true,
  ipv6Only: false,
  umask: undefined,
  hostnameCase: true,
});

t.test('a rule says in its comment what it is, and is found by it', async (t) => {
  const faults: NetworkFault[] = [
    { kind: 'partition', from: 'Node-A', to: 'Node-B' },
    { kind: 'loss', machine: 'Node-C', percent: 2.5 },
  ];
  for (const fault of faults) {
    t.same(parseFaultComment(faultComment(fault)), fault);
  }
  t.equal(parseFaultComment("somebody else's"), undefined);
  t.same(faultRules(faults[0] as NetworkFault, machines), [
    'ether saddr 02:74:72:6d:00:01 ether daddr 02:74:72:6d:00:02 drop comment "partition Node-A Node-B"',
  ]);
  t.same(faultRules(faults[1] as NetworkFault, machines), [
    'ether saddr 02:74:72:6d:00:03 numgen random mod 10000 < 250 drop comment "loss Node-C 2.5"',
    'ether daddr 02:74:72:6d:00:03 numgen random mod 10000 < 250 drop comment "loss Node-C 2.5"',
  ]);
});

t.test('a partition cuts both directions, or one', async (t) => {
  const pairs = (oneWay: boolean): string[] => partitionPairs(['a'], ['b', 'c'], oneWay).map(faultComment);
  t.same(pairs(false), ['partition a b', 'partition b a', 'partition a c', 'partition c a']);
  t.same(pairs(true), ['partition a b', 'partition a c']);
});
