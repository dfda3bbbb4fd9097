import t from 'tap';
import { parse } from 'yaml';
import { parseClusterFile } from '../../installer/cluster/spec.ts';
import { exampleClusterFile } from '../../src/cli/init.ts';

t.test('the example is a valid cluster file', async (t) => {
  for (const addresses of [[], ['10.1.1.1'], ['fd00::1', 'fd00::2', 'fd00::3']]) {
    const file = parseClusterFile(parse(exampleClusterFile(addresses, 'admin')), 'example');
    t.equal(file.hosts.length, addresses.length === 0 ? 3 : addresses.length);
    t.equal(file.ssh?.user, 'admin');
  }
});

t.test('with every comment taken away it is valid, too', async (t) => {
  const text = exampleClusterFile([], 'admin')
    .split('\n')
    .filter((l) => !/^# (A cluster|How to|Every port|Single checks)/.test(l) && !/^\s+# The address/.test(l))
    .map((l) => l.replace(/^(\s*)# ?/, '$1').replace(/\s+\((.*)\)$/, ''))
    .join('\n');
  t.equal(parseClusterFile(parse(text), 'example').ports?.console, 8443);
});
