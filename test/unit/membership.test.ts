import t from 'tap';
import {
  acceptMembership,
  grantMembership,
  heldMembership,
  requestMembership,
} from '../../installer/node/membership.ts';
import { createAuthority } from '../../src/pki/authority.ts';
import { testSpec } from '../fixtures/spec.ts';

t.test('a machine that was admitted can go on without its token', async (t) => {
  const admitted = { ...testSpec(1, 4, 1), data: `${t.testdir()}/control-plane` };
  const [, node] = admitted.nodes;
  if (node === undefined) {
    throw new Error('no node');
  }
  const own = { ...admitted, data: t.testdir({ node: {} }) + '/node' };
  const { csr } = await requestMembership(own, node);
  const { ca, certs } = await grantMembership(admitted, { [node.name]: csr });
  t.equal(heldMembership(own.data, ca, new Date()), undefined, 'it has asked, but has no answer yet');
  acceptMembership(own, certs[node.name] ?? '', ca);
  const held = heldMembership(own.data, ca, new Date());
  t.same(held?.node, node);
  t.match(held?.key, /PRIVATE KEY/);
  const other = await createAuthority(own.id, new Date());
  t.equal(heldMembership(own.data, other.cert, new Date()), undefined, 'another CA of the same name');
  t.equal(
    heldMembership(own.data, ca, new Date(Date.now() + 366 * 86_400_000)),
    undefined,
    'a certificate that has ended is of no use',
  );
  t.equal(heldMembership(`${own.data}/nothing`, ca, new Date()), undefined);
});
