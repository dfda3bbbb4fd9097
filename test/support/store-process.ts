import { connectBus, type BusTls } from '../../src/bus/connect.ts';
import { busPeers } from '../../src/bus/instances.ts';
import { streamPipe } from '../../src/bus/stream.ts';
import { openReplica } from '../../src/store/open.ts';
import { startWriters, type Load } from './store-load.ts';
import { contents } from './store-temp.ts';

/**
 * An instance in a process of its own, to be killed; forked by store-processes.test.ts, with `Config` as JSON in its
 * argument.
 * It is told 'write', 'stop', 'status', 'contents', and tells each acknowledged command.
 */
export interface Config {
  self: string;
  dir: string;
  streams: string;
  servers: string[];
  tls: BusTls;
  instances: string[];
}

export type Said =
  | { type: 'acknowledged'; id: string; position: number }
  | { type: 'status'; state: string; epoch: number; position: number }
  | { type: 'contents'; rows: Record<string, unknown[]> }
  | { type: 'stopped'; failed: string[] };

if (process.send !== undefined && process.argv[2] !== undefined) {
  const tell = (said: Said): void => void process.send?.(said);
  const config = JSON.parse(process.argv[2]) as Config;
  const nc = await connectBus({
    servers: config.servers,
    tls: config.tls,
    name: `cloud ${config.self}`,
    inOrder: true,
    onlyThese: true,
  });
  const replica = await openReplica({
    self: config.self,
    dir: config.dir,
    log: (line) => process.stdout.write(`${config.self} ${line}\n`),
    space: () => ({ free: 1e12, total: 1e12 }),
    cluster: {
      pipe: streamPipe(nc, config.streams),
      peers: busPeers(nc, config.self),
      instances: () => config.instances.map((name) => ({ name })),
    },
  });
  let load: Load | undefined;
  let told = 0;
  const report = (): void => {
    const all = [...(load?.acknowledged ?? [])];
    for (const [id, position] of all.slice(told)) {
      tell({ type: 'acknowledged', id, position });
    }
    told = all.length;
  };
  setInterval(report, 20);
  process.on('message', (message) => {
    if (message === 'write') {
      load = startWriters(7, 50, () => replica);
    }
    if (message === 'status') {
      const { state, epoch, position } = replica.status();
      tell({ type: 'status', state, epoch, position });
    }
    if (message === 'contents') {
      tell({ type: 'contents', rows: contents(replica.db) });
    }
    if (message === 'stop') {
      void (load?.stop() ?? Promise.resolve()).then(() => {
        report();
        tell({ type: 'stopped', failed: load?.failed ?? [] });
      });
    }
  });
}
