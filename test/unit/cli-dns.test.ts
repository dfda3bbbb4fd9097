import t from 'tap';
import { clusterPorts } from '../../installer/cluster/spec.ts';
import { dnsText } from '../../src/cli/dns-printer.ts';
import { hostsLines } from '../../src/cloud/direct/dns.ts';

const reply = {
  zone: 'terrarium.internal',
  port: 7453,
  servers: [
    { name: 'n1', address: '10.0.0.1' },
    { name: 'n2', address: 'fd00::2' },
  ],
  authority: 'PEM',
  hosts: ['10.0.0.1 console.terrarium.internal'],
};

t.test('what resolvers are told', async (t) => {
  const text = dnsText(reply);
  for (const line of [
    'server=/terrarium.internal/10.0.0.1#7453',
    'stub-addr: fd00::2@7453',
    'DNS=10.0.0.1:7453 [fd00::2]:7453',
    'Domains=~terrarium.internal',
    'forwarders { 10.0.0.1 port 7453; fd00::2 port 7453; }',
    '10.0.0.1 console.terrarium.internal',
    'terrarium dns --ca',
  ]) {
    t.ok(text.includes(line), line);
  }
  t.notOk(text.includes('delegate'), 'a delegation leads to port 53 only');
  const at53 = dnsText({ ...reply, port: 53, authority: null });
  for (const line of [
    'terrarium.internal. NS ns2.terrarium.internal.',
    'ns2.terrarium.internal. AAAA fd00::2',
    'There is no authority',
  ]) {
    t.ok(at53.includes(line), line);
  }
});

t.test('only addresses are printed as such: a satellite tells its own', async (t) => {
  const forged = [
    '1.2.3.4 bank.example x.satellites.terrarium.internal',
    '1.2.3.4\n6.6.6.6 bank.example',
    '\u001b[2J x.satellites.terrarium.internal',
    'fd00::7 n7.satellites.terrarium.internal',
  ];
  const text = dnsText({
    ...reply,
    servers: [...reply.servers, { name: 'x\u001b[2J', address: '10.0.0.3' }, { name: 'n4', address: 'here; }' }],
    hosts: forged,
  });
  t.ok(text.includes('\n  fd00::7 n7.satellites.terrarium.internal\n'));
  for (const forgery of ['bank', '\u001b', 'here']) {
    t.notOk(text.includes(forgery), forgery);
  }
  const registry = {
    ids: () => ['n1', 'x'],
    get: (id: string) => ({ addresses: id === 'n1' ? ['10.0.0.5', 'fd00::5'] : ['1.2.3.4 bank.example', ''] }),
  } as unknown as Parameters<typeof hostsLines>[0]['registry'];
  t.strictSame(hostsLines({ zone: 'z.internal', servers: () => [], clouds: () => [], registry }), [
    '10.0.0.5 n1.satellites.z.internal',
    'fd00::5 n1.satellites.z.internal',
  ]);
});

t.test('ports that only root may have', async (t) => {
  t.throws(
    () => clusterPorts({ ports: { dns: 53 } as never }),
    /ports\.dns is 53, but what listens there has no privileges/,
  );
  t.throws(() => clusterPorts({ ports: { direct: 443 } as never }), /ports\.direct is 443/);
  t.equal(clusterPorts({ ports: { dns: 1053 } as never }).dns, 1053);
});
