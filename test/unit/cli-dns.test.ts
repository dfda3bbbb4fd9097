import t from 'tap';
import { clusterPorts } from '../../installer/cluster/spec.ts';
import { dnsText } from '../../src/cli/dns-printer.ts';

const reply = { zone: 'terrarium.internal', port: 7453, servers: [{ name: 'n1', address: '10.0.0.1' }, { name: 'n2', address: 'fd00::2' }], authority: 'PEM', hosts: ['10.0.0.1 console.terrarium.internal'] };

t.test('what resolvers are told', async (t) => {
  const text = dnsText(reply);
  for (const line of ['server=/terrarium.internal/10.0.0.1#7453', 'stub-addr: fd00::2@7453', 'DNS=10.0.0.1:7453 [fd00::2]:7453', 'Domains=~terrarium.internal', 'forwarders { 10.0.0.1 port 7453; fd00::2 port 7453; }', '10.0.0.1 console.terrarium.internal', 'terrarium dns --ca']) t.ok(text.includes(line), line);
  t.notOk(text.includes('delegate'), 'a delegation leads to port 53 only');
  const at53 = dnsText({ ...reply, port: 53, authority: null });
  for (const line of ['terrarium.internal. NS ns2.terrarium.internal.', 'ns2.terrarium.internal. AAAA fd00::2', 'There is no authority']) t.ok(at53.includes(line), line);
});

t.test('ports that only root may have', async (t) => {
  t.throws(() => clusterPorts({ ports: { dns: 53 } as never }), /ports\.dns is 53, but what listens there has no privileges/);
  t.throws(() => clusterPorts({ ports: { direct: 443 } as never }), /ports\.direct is 443/);
  t.equal(clusterPorts({ ports: { dns: 1053 } as never }).dns, 1053);
});
