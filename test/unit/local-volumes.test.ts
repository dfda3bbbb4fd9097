import t from 'tap';
import { volumeFor, waitsFor } from '../../src/agent/volumes.ts';

const claim = {
  metadata: {
    name: 'data',
    namespace: 'shop',
    uid: 'u-1',
    annotations: { 'volume.kubernetes.io/selected-node': 'n2' },
  },
  spec: { storageClassName: 'local', accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '3Gi' } } },
};

t.test('a claim waits for the node that the scheduler chose, and for no other', async (t) => {
  t.ok(waitsFor(claim, 'n2'));
  t.notOk(waitsFor(claim, 'n1'));
  t.notOk(waitsFor({ ...claim, spec: { ...claim.spec, storageClassName: 'other' } }, 'n2'));
  t.notOk(waitsFor({ ...claim, spec: { ...claim.spec, volumeName: 'pv' } }, 'n2'));
  t.notOk(waitsFor({ ...claim, metadata: { ...claim.metadata, annotations: {} } }, 'n2'));
});

t.test('the volume is tied to node and claim and outlives the claim', async (t) => {
  t.match(volumeFor(claim, 'n2', '/var/lib/terrarium/volumes/x'), {
    metadata: { name: 'local-u-1' },
    spec: {
      persistentVolumeReclaimPolicy: 'Retain',
      capacity: { storage: '3Gi' },
      local: { path: '/var/lib/terrarium/volumes/x' },
      claimRef: { namespace: 'shop', name: 'data', uid: 'u-1' },
      nodeAffinity: { required: { nodeSelectorTerms: [{ matchExpressions: [{ values: ['n2'] }] }] } },
    },
  });
});
