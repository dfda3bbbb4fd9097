import t from 'tap';
import type { Finding, Member } from '../../installer/preflight/check.ts';
import type { Facts } from '../../installer/preflight/facts/facts.ts';
import type { Pair } from '../../installer/preflight/matrix/result.ts';
import { allChecks } from '../../installer/preflight/registry.ts';
import { change, clusterCheck, context, realFacts, type Change } from './support/preflight.ts';

const real = await realFacts();

/** Machine n1, n2, …, with an identity of its own. */
function machine(name: string, changes: Change = {}, role: Member['role'] = 'control-plane'): Member {
  const index = Number(name.slice(1));
  const own: Change = {
    'os.machineId': `machine-id-${name}`,
    'os.sshHostKeys': [`ssh-ed25519 ${name}`],
    'own.node': null,
    'network.interfaces': [
      {
        name: 'eth0',
        mtu: 1500,
        mac: `02:00:00:00:00:0${index}`,
        addresses: [{ address: `192.0.2.${index}`, prefixLength: 24, dynamic: false }],
      },
    ],
  };
  return {
    name,
    named: true,
    address: `192.0.2.${index}`,
    role,
    facts: change(structuredClone(real), { ...own, ...changes }),
  };
}

/** The way from one machine to another, with which all is well. */
const pair = (from: string, to: string, more: Partial<Pair> = {}): Pair => ({
  from,
  to,
  ports: [{ name: 'agent', port: 7444, outcome: 'open' }],
  roundTripsMs: [0.2, 0.3],
  skew: { ms: 0.1, errorMs: 1 },
  mtu: { device: 'eth0', deviceMtu: 1500, passes: 1500, told: null },
  synOption: 'kept',
  bulk: true,
  mbits: 940,
  checksumErrors: 0,
  ...more,
});

/** The facts of a machine on which an install of ours has begun. */
const ours = (name: string, more: Partial<NonNullable<Facts['own']['node']>> = {}): Change => ({
  'own.node': {
    clusterId: 'id-1',
    cluster: 'terrarium',
    name,
    address: `192.0.2.${name.slice(1)}`,
    role: 'control-plane',
    state: 'installing',
    ...more,
  },
});

const good = [machine('n1'), machine('n2'), machine('n3')];
const ways = [pair('n1', 'n2'), pair('n2', 'n1')];

/** Machines, ways between them, and what is found, by the check's code. */
const CASES: Record<string, [Member[], Pair[], Finding['severity'], RegExp][]> = {
  'duplicate-hostname': [
    [
      [machine('n1'), { ...machine('n2'), name: 'n1' }],
      ways,
      'fail',
      /192\.0\.2\.1 and 192\.0\.2\.2 are all called n1/,
    ],
  ],
  'duplicate-machine-id': [
    [[machine('n1', { 'os.machineId': 'x' }), machine('n2', { 'os.machineId': 'x' })], ways, 'fail', /n1 and n2/],
  ],
  'duplicate-mac': [
    [
      [
        machine('n1'),
        {
          ...machine('n2', { 'network.interfaces': machine('n1').facts.network.interfaces }),
          address: '192.0.2.1',
        },
      ],
      ways,
      'fail',
      /02:00:00:00:00:01/,
    ],
  ],
  'duplicate-host-key': [
    [
      [machine('n1', { 'os.sshHostKeys': ['ssh-ed25519 x'] }), machine('n2', { 'os.sshHostKeys': ['ssh-ed25519 x'] })],
      ways,
      'warn',
      /ssh-ed25519/,
    ],
  ],
  'mtu-equal': [
    [
      [
        machine('n1'),
        machine('n2', {
          'network.interfaces': [
            {
              name: 'eth0',
              mtu: 9000,
              mac: '',
              addresses: [{ address: '192.0.2.2', prefixLength: 24, dynamic: false }],
            },
          ],
        }),
      ],
      ways,
      'warn',
      /1500 on n1; 9000 on n2/,
    ],
  ],
  'other-cluster': [
    [[machine('n1', ours('n1', { cluster: 'shop', clusterId: 'id-9' }))], [], 'fail', /another cluster: shop/],
    [[machine('n1', ours('n1')), machine('n2', ours('n2', { clusterId: 'id-2' }))], [], 'fail', /another cluster/],
    [[machine('n1', ours('n1', { address: '192.0.2.9' }))], [], 'fail', /192\.0\.2\.9, not 192\.0\.2\.1/],
    [[machine('n1', ours('n1', { role: 'worker' }))], [], 'fail', /installed as worker/],
  ],
  'clock-skew': [
    [good, [pair('n1', 'n2', { skew: { ms: 400, errorMs: 1 } })], 'warn', /differ by 399 ms \(n1 is behind\)/],
    [good, [pair('n1', 'n2', { skew: { ms: -60_000, errorMs: 1 } })], 'fail', /60 s \(n2 is behind\)/],
  ],
  'port-blocked': [
    [
      good,
      [
        pair('n1', 'n2', {
          ports: [
            { name: 'agent', port: 7444, outcome: 'timeout' },
            { name: 'nats', port: 7446, outcome: 'open' },
          ],
        }),
      ],
      'fail',
      /n1 → n2: port 7444 \(agent\) cannot be reached: no answer/,
    ],
    [
      good,
      [pair('n1', 'n2', { ports: [{ name: 'agent', port: 7444, outcome: 'stranger' }] })],
      'fail',
      /another machine answers/,
    ],
  ],
  mtu: [
    [
      good,
      [pair('n1', 'n3', { mtu: { device: 'eth0', deviceMtu: 1500, passes: 1400, told: null } })],
      'fail',
      /n1 → n3: frames larger than 1400 bytes vanish though eth0 says 1500/,
    ],
    [
      good,
      [pair('n1', 'n3', { mtu: { device: 'eth0', deviceMtu: 1500, passes: 1400, told: 1400 } })],
      'warn',
      /a router in between says so/,
    ],
    [
      good,
      [pair('n1', 'n3', { mtu: { device: 'eth0', deviceMtu: 1500, passes: null, told: null }, bulk: false })],
      'fail',
      /vanish/,
    ],
  ],
  'checksum-errors': [
    [
      good,
      [pair('n1', 'n2', { checksumErrors: 7 }), pair('n3', 'n2', { checksumErrors: 7 })],
      'warn',
      /^7 packets came in/,
    ],
  ],
  bandwidth: [[good, [pair('n1', 'n2', { mbits: 9 })], 'warn', /9 Mbit/]],
  'syn-option': [
    [good, [pair('n1', 'n2', { synOption: 'stripped' })], 'warn', /removes unknown TCP options/],
    [good, [pair('n1', 'n2', { synOption: 'dropped' })], 'warn', /drops a SYN/],
  ],
  'round-trip': [
    [good, [pair('n1', 'n2', { roundTripsMs: [1, 2, 20, 30] })], 'warn', /20\.0 ms, at times 20 ms/],
    [good, [pair('n1', 'n2', { roundTripsMs: [60, 61, 62] })], 'fail', /61 ms/],
  ],
};

t.test('checks of several machines', async (t) => {
  for (const check of await allChecks()) {
    if (check.scope !== 'cluster') {
      continue;
    }
    t.same(check.judge(good, context, ways), [], `${check.code}: passes`);
    t.same(
      check.judge(
        good.map((m) => machine(m.name, ours(m.name))),
        context,
        ways,
      ),
      [],
      `${check.code}: passes where an install is taken up again`,
    );
    t.ok(CASES[check.code], `${check.code} has a test`);
    for (const [members, pairs, severity, message] of CASES[check.code] ?? []) {
      t.match(check.judge(members, context, pairs)[0], { severity, message, remedy: String }, check.code);
    }
  }
  const jumbo = machine('n1', {
    'network.interfaces': [
      { name: 'eth0', mtu: 9000, mac: '', addresses: [{ address: '192.0.2.1', prefixLength: 24, dynamic: false }] },
    ],
  });
  const mtu = await clusterCheck('mtu');
  t.same(
    mtu.judge([jumbo, machine('n2')], context, [
      pair('n1', 'n2', { mtu: { device: 'eth0', deviceMtu: 9000, passes: 1500, told: null } }),
    ]),
    [],
    'TCP never sends more than the other end takes',
  );
});
