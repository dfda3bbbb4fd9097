import t from 'tap';
import { publishedAddresses } from '../../installer/node/applications.ts';
import { applicationAddresses, hostPorts } from '../../src/kube/applications.ts';

const nodes = [
  { name: 'n1', address: '10.0.0.11', role: 'control-plane' as const },
  { name: 'n2', address: 'fd00::12', role: 'worker' as const },
];

t.test('each published port on each node, with a scheme where the port has one', async (t) => {
  const of = (name: string, protocol: 'TCP' | 'UDP' | 'HTTP' | 'HTTPS'): string[] =>
    publishedAddresses({ ports: [{ name, port: 8085, protocol }] }, { nodes });
  t.strictSame(of('web', 'HTTP'), ['http://10.0.0.11:8085', 'http://[fd00::12]:8085']);
  t.strictSame(of('web', 'HTTPS'), ['https://10.0.0.11:8085', 'https://[fd00::12]:8085']);
  t.strictSame(of('https', 'TCP'), ['https://10.0.0.11:8085', 'https://[fd00::12]:8085'], 'by its name');
  t.strictSame(of('db', 'TCP'), ['10.0.0.11:8085', '[fd00::12]:8085']);
  t.strictSame(of('http', 'UDP'), ['10.0.0.11:8085', '[fd00::12]:8085'], 'no scheme is UDP');
});

t.test('of these, the ones where a pod takes the port', async (t) => {
  const data = {
    shop: JSON.stringify([
      'http://10.0.0.11:8085',
      'http://[fd00::12]:8085',
      '10.0.0.11:5432',
      'https://shop.example:443',
    ]),
  };
  const pod = { node: 'n2', phase: 'Running', hostPorts: [8085] };
  const rest = ['10.0.0.11:5432', 'https://shop.example:443'];
  t.strictSame(applicationAddresses(data, nodes, [pod]), { shop: ['http://[fd00::12]:8085', ...rest] });
  t.strictSame(applicationAddresses(data, nodes, [pod, { ...pod, node: 'n1' }]), {
    shop: ['http://10.0.0.11:8085', 'http://[fd00::12]:8085', ...rest],
  });
  t.strictSame(
    applicationAddresses(data, nodes, [{ ...pod, phase: 'Failed' }]),
    { shop: ['http://10.0.0.11:8085', 'http://[fd00::12]:8085', ...rest] },
    'all, where nothing is known',
  );
  t.strictSame(applicationAddresses({ shop: 'http://10.0.0.11:1\nhttp://10.0.0.12:1' }, nodes, []), {
    shop: ['http://10.0.0.11:1', 'http://10.0.0.12:1'],
  });
});

t.test('the ports that a pod takes of its node', async (t) => {
  const containers = [{ name: 'c', ports: [{ containerPort: 80 }, { containerPort: 81, hostPort: 8081 }] }];
  t.strictSame(hostPorts({ metadata: { name: 'p' }, spec: { hostNetwork: true, containers } }), [80, 8081]);
  t.strictSame(hostPorts({ metadata: { name: 'p' }, spec: { containers } }), [8081]);
  t.strictSame(hostPorts({ metadata: { name: 'p' } }), []);
});
