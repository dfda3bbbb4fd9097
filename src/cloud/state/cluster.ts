import { join } from 'node:path';
import type { NatsConnection } from '@nats-io/transport-node';
import { busPeers } from '../../bus/instances.ts';
import { streamPipe } from '../../bus/stream.ts';
import type { Pipe } from '../../store/pipe.ts';
import type { ClusterState } from './state.ts';

/** Name of the account in nats.conf, which is also that of the streams' folder. */
const ACCOUNT = 'TERRARIUM';

/**
 * What makes a replica one of several over the bus.
 * @param natsDir the folder of nats.conf
 */
export function clusterState(
  nc: NatsConnection,
  self: string,
  natsDir: string,
  instances: () => string[],
  now: () => number = () => performance.now(),
): ClusterState {
  const pipe = streamPipe(nc, join(natsDir, 'jetstream/jetstream', ACCOUNT, 'streams'));
  let seen = now();
  // The replica looks for its stream every second: that it is found says that there is a quorum.
  const observed: Pipe = {
    ...pipe,
    async newest() {
      const found = await pipe.newest();
      if (found !== undefined) {
        seen = now();
      }
      return found;
    },
  };
  return {
    parts: { pipe: observed, peers: busPeers(nc, self), instances: () => instances().map((name) => ({ name })) },
    silentMs: () => now() - seen,
  };
}
