import t from 'tap';
import { renderStack } from '../../installer/node/stack-manifests.ts';
import { withJoinedNodes } from '../../installer/node/stored-spec.ts';
import { testSpec } from '../fixtures/spec.ts';

t.test('an install that is repeated keeps the nodes that joined later', async (t) => {
  const file = testSpec(1);
  const stored = testSpec(4, 4, 1);
  t.equal(withJoinedNodes(file, undefined, ['n1']), file, 'the first install');
  const merged = withJoinedNodes(file, stored, ['n1', 'n2', 'n5']);
  t.same(
    merged.nodes.map((n) => n.name),
    ['n1', 'n2', 'n5'],
    'a join that was given up has left no node',
  );
  t.match(
    renderStack(merged).configMaps,
    '10.77.0.12:7446',
    'satellites go on finding the cloud of the joined control plane',
  );
  const moved = { ...stored, nodes: stored.nodes.map((n) => ({ ...n, address: '10.9.9.9' })) };
  t.equal(
    withJoinedNodes(file, moved, ['n1', 'n2']).nodes[0]?.address,
    '10.77.0.11',
    'of a node in both the operation’s own word counts',
  );
  t.equal(withJoinedNodes(file, { ...stored, id: 'another' }, ['n1', 'n2']), file);
});
