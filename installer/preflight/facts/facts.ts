import type { CgroupFacts } from './cgroup.ts';
import type { CpuFacts } from './cpu.ts';
import type { DnsFacts } from './dns.ts';
import type { FirewallFacts } from './firewall.ts';
import type { ForeignFacts } from './foreign.ts';
import type { KernelLogFacts } from './kernel-log.ts';
import type { KernelFacts } from './kernel.ts';
import type { LimitFacts } from './limits.ts';
import type { ListenerFacts } from './listeners.ts';
import type { LogFacts } from './logs.ts';
import type { MemoryFacts } from './memory.ts';
import type { NetworkFacts } from './network.ts';
import type { OsFacts } from './os.ts';
import type { OwnFacts } from './own.ts';
import type { SecurityFacts } from './security.ts';
import type { StorageFacts } from './storage.ts';
import type { TimeFacts } from './time.ts';
import type { ToolFacts } from './tools.ts';

/** All that preflight knows about one machine; gathered once, judged by checks, plain JSON. */
export interface Facts {
  os: OsFacts;
  cpu: CpuFacts;
  memory: MemoryFacts;
  cgroup: CgroupFacts;
  kernel: KernelFacts;
  security: SecurityFacts;
  tools: ToolFacts;
  storage: StorageFacts;
  network: NetworkFacts;
  dns: DnsFacts;
  listeners: ListenerFacts[];
  foreign: ForeignFacts;
  own: OwnFacts;
  firewall: FirewallFacts;
  limits: LimitFacts;
  time: TimeFacts;
  logs: LogFacts;
  /** Null where the kernel's log cannot be read. */
  kernelLog: KernelLogFacts | null;
}
