import t from 'tap';
import type { Finding } from '../../installer/preflight/check.ts';
import type { Facts } from '../../installer/preflight/facts/facts.ts';
import { change, context, hostCheck, member, realFacts, type Change } from './support/preflight.ts';

const real = await realFacts();

t.test('hostname', async (t) => {
  const check = await hostCheck('hostname');
  const judge = (name: string, named = true): Finding[] => check.judge(member(real, { name, named }), context);
  t.same(judge('node-1.example.org'), []);
  t.match(judge('node_b'), [{ severity: 'fail' }]);
  t.match(judge('localhost', false), [{ severity: 'fail', remedy: /hostnamectl/ }]);
  t.match(judge('n'.repeat(55)), [{ severity: 'fail', message: /55/ }]);
  const folded = change(structuredClone(real), { 'os.hostname': 'Node-B', 'os.staticHostname': 'Node-B' });
  t.match(check.judge(member(folded, { name: 'node-b', named: false }), context), [
    { severity: 'info', message: /Node-B/ },
  ]);

  const called = (staticHostname: string | null, more: Change = {}): Facts =>
    change(structuredClone(real), {
      'os.hostname': 'node-7',
      'os.staticHostname': staticHostname,
      'os.container': null,
      ...more,
    });
  const unnamed = (facts: Facts): Finding[] => check.judge(member(facts, { name: 'node-7', named: false }), context);
  t.same(unnamed(called('node-7')), []);
  t.match(
    unnamed(called(null)),
    [{ severity: 'fail', message: /comes from DHCP/, remedy: /hostnamectl/ }],
    'a name that DHCP gave',
  );
  t.match(unnamed(called('localhost.localdomain')), [{ severity: 'fail', message: /comes from DHCP/ }]);
  t.match(unnamed(called('debian')), [{ severity: 'fail', message: /\/etc\/hostname says debian/ }]);
  t.match(unnamed(called('node-7.example.org')), [{ severity: 'warn' }], 'only the domain differs');
  t.same(unnamed(called(null, { 'os.container': 'docker' })), [], 'its manager names a container');
  t.same(
    check.judge(member(called(null), { name: 'node-7', named: true }), context),
    [],
    'a name in cluster.yaml stays',
  );
});

t.test('address', async (t) => {
  const here = await hostCheck('address-here');
  const lease = await hostCheck('address-lease');
  const device = (dynamic: boolean) =>
    change(structuredClone(real), {
      'network.interfaces': [
        {
          name: 'eth0',
          mtu: 1500,
          mac: '02:00:00:00:00:01',
          addresses: [{ address: '192.0.2.1', prefixLength: 24, dynamic }],
        },
      ],
    });
  t.same(here.judge(member(device(false)), context), []);
  t.same(lease.judge(member(device(false)), context), []);
  t.match(lease.judge(member(device(true)), context), [{ severity: 'warn', message: /DHCP/ }]);
  t.match(here.judge(member(device(false), { address: '203.0.113.1' }), context), [
    { severity: 'fail', message: /there are: 192\.0\.2\.1 on eth0/ },
  ]);
  t.match(here.judge(member(real, { address: '127.0.0.1' }), context), [{ severity: 'fail', message: /loopback/ }]);
});

t.test('ssh login', async (t) => {
  const check = await hostCheck('ssh-login');
  t.same(check.judge(member(real, { loginMs: 400 }), context), []);
  t.same(check.judge(member(real), context), [], 'this very machine');
  t.match(check.judge(member(real, { loginMs: 10_400 }), context), [
    { severity: 'warn', message: /10\.4 s/, remedy: /UseDNS/ },
  ]);
});
