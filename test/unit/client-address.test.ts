import fc from 'fast-check';
import t from 'tap';
import { clientOf } from '../../src/client-address.ts';

t.test('an IPv4 address is a client, and of IPv6 a whole /64', (t) => {
  for (const [address, client] of [
    ['10.0.0.9', '10.0.0.9'],
    ['::ffff:10.0.0.9', '10.0.0.9'],
    ['fd00:1:2:3::1', 'fd00:1:2:3'],
    ['fd00:1:2:3:ffff::2', 'fd00:1:2:3'],
    ['FD00:0001:2:3::', 'fd00:1:2:3'],
    ['fe80::1%eth0', 'fe80:0:0:0'],
    ['::1', '0:0:0:0'],
    ['', ''],
  ] as const) {
    t.equal(clientOf(address), client, address);
  }
  fc.assert(
    fc.property(fc.ipV6(), (address) => clientOf(address).split(':').length === 4 || clientOf(address).includes('.')),
  );
  t.end();
});
