import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connectBus } from '../../../src/bus/connect.ts';
import { etcdctl } from './etcd.ts';
import { eventually, type Lab } from './lab.ts';

interface Jsz {
  data?: { meta_cluster?: { leader?: string } };
}
interface Member {
  Status: { leader: number; header: { member_id: number } };
}

/** Makes `machine` the leader of etcd. @throws Error when it is not after a minute. */
export async function leadEtcd(lab: Lab, machine: string): Promise<void> {
  const all = lab.machines
    .map((m) => `https://${m.address.includes(':') ? `[${m.address}]` : m.address}:2379`)
    .join(',');
  const leads = await eventually(
    async () => {
      const told = await etcdctl(lab, machine, 'endpoint status -w json');
      if (told.exitCode !== 0) {
        throw new Error(`etcd on ${machine} does not tell who leads: ${told.stderr}`);
      }
      // Ids are larger than a JavaScript number holds: both are rounded alike.
      const members = JSON.parse(told.stdout) as Member[];
      if (members.length > 0 && members.every((m) => m.Status.leader === m.Status.header.member_id)) {
        return true;
      }
      const id = (await etcdctl(lab, machine, 'member list')).stdout
        .trim()
        .split('\n')
        .map((l) => l.split(', '))
        .find(([, , name]) => name === machine.toLowerCase())?.[0];
      if (id === undefined) {
        throw new Error(`${machine} is no member of etcd`);
      }
      // Refused while there is no leader that could hand over.
      await etcdctl(lab, machine, `move-leader ${id} --endpoints ${all}`);
      return false;
    },
    (yes) => yes,
    60_000,
  );
  if (!leads) {
    throw new Error(`${machine} did not become the leader of etcd`);
  }
}

/** Makes `machine` the leader of the bus's servers, by the account that the servers' own certificates admit. */
export async function leadBus(lab: Lab, machine: string): Promise<void> {
  const tlsDir = join(lab.dir, 'bus-tls');
  mkdirSync(tlsDir, { recursive: true });
  for (const file of ['ca.crt', 'server.crt', 'server.key']) {
    writeFileSync(join(tlsDir, file), (await lab.exec(machine, 'cat', `/var/lib/terrarium/cloud/tls/${file}`)).stdout, {
      mode: 0o600,
    });
  }
  const nc = await connectBus({
    servers: lab.machines.map((m) => `${m.address.includes(':') ? `[${m.address}]` : m.address}:7446`),
    tls: { caFile: join(tlsDir, 'ca.crt'), certFile: join(tlsDir, 'server.crt'), keyFile: join(tlsDir, 'server.key') },
    name: 'test',
  });
  try {
    const name = machine.toLowerCase();
    const leader = async (): Promise<string> =>
      (await nc.request('$SYS.REQ.SERVER.PING.JSZ', '{}', { timeout: 5_000 })).json<Jsz>().data?.meta_cluster?.leader ??
      '';
    const now = await eventually(
      async () => {
        const is = await leader();
        if (is !== name) {
          await nc
            .request('$JS.API.META.LEADER.STEPDOWN', JSON.stringify({ placement: { preferred: name } }), {
              timeout: 5_000,
            })
            .catch(() => undefined);
        }
        return is;
      },
      (is) => is === name,
      60_000,
    );
    if (now !== name) {
      throw new Error(`${machine} did not become the leader of the bus, ${now} is`);
    }
  } finally {
    await nc.close();
  }
}
