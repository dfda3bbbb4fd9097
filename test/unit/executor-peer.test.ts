import t from 'tap';
import { mayCoordinate } from '../../installer/plan/executor.ts';
import { NODE_GROUP } from '../../installer/plan/messages.ts';
import { testSpec } from '../fixtures/spec.ts';

t.test('only control planes get an answer from an executor', async (t) => {
  const spec = testSpec(1, 4, 1);
  t.equal(mayCoordinate(spec, [NODE_GROUP], ['n1']), true);
  t.equal(mayCoordinate(spec, [NODE_GROUP], ['n2']), false, 'a worker could read the keys of the CAs');
  t.equal(mayCoordinate(spec, [NODE_GROUP], ['n3']), false, 'no node of the cluster');
  t.equal(
    mayCoordinate(spec, ['terrarium:cloud'], ['n1']),
    false,
    'the cloud’s certificate carries the node’s name, too',
  );
  t.equal(mayCoordinate(spec, [NODE_GROUP], []), false);
  t.equal(mayCoordinate(spec, [NODE_GROUP], ['n2', 'n1']), false);
});
