import { z } from 'zod';
import type { MachinePlan } from '../plan.ts';
import { run, succeeds } from '../run.ts';

/**
 * Frames that are lost between machines: rules at the bridge's forward hook, so that this machine itself still reaches
 * every one of them.
 * The rules are the state: each says in its comment what it is (`FAULT_COMMENT`), and the table goes with the lab.
 */
export const TABLE = 'terrarium-lab';
const CHAIN = 'forward';

export type NetworkFault =
  /** Nothing from one machine reaches the other. */
  | { kind: 'partition'; from: string; to: string }
  /** Of every hundred frames from and to the machine so many are lost, each by chance. */
  | { kind: 'loss'; machine: string; percent: number };

/** `partition FROM TO` or `loss MACHINE PERCENT`. */
const FAULT_COMMENT = /^(?:partition ([\w-]+) ([\w-]+)|loss ([\w-]+) ([\d.]+))$/;

export function faultComment(fault: NetworkFault): string {
  return fault.kind === 'partition' ? `partition ${fault.from} ${fault.to}` : `loss ${fault.machine} ${fault.percent}`;
}

export function parseFaultComment(comment: string): NetworkFault | undefined {
  const [, from, to, machine, percent] = FAULT_COMMENT.exec(comment) ?? [];
  if (from !== undefined && to !== undefined) {
    return { kind: 'partition', from, to };
  }
  if (machine !== undefined && percent !== undefined) {
    return { kind: 'loss', machine, percent: Number(percent) };
  }
  return undefined;
}

/** A fault's rules in nft's language, as the arguments of `nft add rule bridge TABLE CHAIN`. */
export function faultRules(fault: NetworkFault, machines: MachinePlan[]): string[] {
  const mac = (name: string): string => machines.find((m) => m.name === name)?.mac ?? '';
  const drop = `drop comment "${faultComment(fault)}"`;
  if (fault.kind === 'partition') {
    return [`ether saddr ${mac(fault.from)} ether daddr ${mac(fault.to)} ${drop}`];
  }
  // nft refuses a comparison that always holds.
  const share = fault.percent === 100 ? '' : ` numgen random mod 10000 < ${Math.round(fault.percent * 100)}`;
  return [`ether saddr ${mac(fault.machine)}${share} ${drop}`, `ether daddr ${mac(fault.machine)}${share} ${drop}`];
}

const listing = z.object({
  nftables: z.array(z.object({ rule: z.object({ handle: z.number(), comment: z.string().optional() }).optional() })),
});

async function rules(): Promise<{ handle: number; fault: NetworkFault }[]> {
  if (!(await hasTable())) {
    return [];
  }
  const { nftables } = listing.parse(JSON.parse(await run('nft', ['-j', '-a', 'list', 'table', 'bridge', TABLE])));
  return nftables.flatMap(({ rule }) => {
    const fault = rule?.comment === undefined ? undefined : parseFaultComment(rule.comment);
    return rule === undefined || fault === undefined ? [] : [{ handle: rule.handle, fault }];
  });
}

/** Whether this machine has the lab's table; false too where it has no nft. */
export function hasTable(): Promise<boolean> {
  return succeeds('nft', ['list', 'table', 'bridge', TABLE]);
}

/** Takes every network fault away. */
export async function removeTable(): Promise<void> {
  if (await hasTable()) {
    await run('nft', ['delete', 'table', 'bridge', TABLE]);
  }
}

export async function networkFaults(): Promise<NetworkFault[]> {
  const all = new Map((await rules()).map(({ fault }) => [faultComment(fault), fault]));
  return [...all.values()];
}

function concerns(fault: NetworkFault, machine: string): boolean {
  return fault.kind === 'partition' ? fault.from === machine || fault.to === machine : fault.machine === machine;
}

/**
 * Adds faults, all at one moment; those that are there already stay as they are, a machine's other loss is replaced.
 */
export async function addNetworkFaults(faults: NetworkFault[], machines: MachinePlan[]): Promise<void> {
  const present = await rules();
  const replaced = present.filter(
    (p) =>
      p.fault.kind === 'loss' &&
      faults.some((f) => f.kind === 'loss' && p.fault.kind === 'loss' && f.machine === p.fault.machine),
  );
  const added = faults.filter(
    (f) => f.kind === 'loss' || !present.some((p) => faultComment(p.fault) === faultComment(f)),
  );
  const script = [
    `add table bridge ${TABLE}`,
    `add chain bridge ${TABLE} ${CHAIN} { type filter hook forward priority 0; policy accept; }`,
    ...replaced.map((r) => `delete rule bridge ${TABLE} ${CHAIN} handle ${r.handle}`),
    ...added.flatMap((f) => faultRules(f, machines)).map((rule) => `add rule bridge ${TABLE} ${CHAIN} ${rule}`),
  ];
  await run('nft', ['-f', '-'], { input: `${script.join('\n')}\n` });
}

/** Takes away every network fault that concerns one of these machines. */
export async function clearNetworkFaults(machines: string[]): Promise<void> {
  const gone = (await rules()).filter((r) => machines.some((m) => concerns(r.fault, m)));
  if (gone.length > 0) {
    await run('nft', ['-f', '-'], {
      input: gone.map((r) => `delete rule bridge ${TABLE} ${CHAIN} handle ${r.handle}\n`).join(''),
    });
  }
}
