import { z } from 'zod';
import { EXIT, Failure } from '../../errors.ts';

const MIB = 1024 * 1024;
const HOUR_MS = 3_600_000;

const limits = (mib: number, hours: number) =>
  z
    .strictObject({
      mib: z.number().positive().max(10_240).default(mib),
      hours: z
        .number()
        .positive()
        .max(24 * 400)
        .default(hours),
    })
    .prefault({});

/**
 * Retention by age and size, for each kind of history: TERRARIUM_COLLECTOR, a JSON object; whatever it leaves out is as
 * here.
 */
const schema = z.strictObject({
  /** cpu, memory, disks, interfaces. */
  samples: limits(32, 7 * 24),
  processes: limits(8, 24),
  events: limits(8, 7 * 24),
  logs: limits(64, 24),
  /** Above which the database's file never grows, its write-ahead log not counted. */
  fileMib: z.number().min(4).max(102_400).default(160),
  /** Above which the write-ahead log is held by statements that read for too long, which are then ended. */
  logMib: z.number().positive().max(102_400).default(48),
  sampleSeconds: z.number().min(1).max(3600).default(10),
});

export interface Limits {
  maxBytes: number;
  maxAgeMs: number;
}

export interface CollectorSettings {
  /** By table; the tables of one kind share its bytes. */
  limits: Record<string, Limits>;
  maxFileBytes: number;
  maxLogBytes: number;
  sampleMs: number;
}

/**
 * The collector's limits, from the text of TERRARIUM_COLLECTOR if it is given.
 * @throws Failure `bad-collector-settings`
 */
export function collectorSettings(text: string | undefined): CollectorSettings {
  let parsed: z.infer<typeof schema>;
  try {
    parsed = schema.parse(text === undefined ? {} : JSON.parse(text));
  } catch (cause) {
    const why = cause instanceof z.ZodError ? z.prettifyError(cause) : (cause as Error).message;
    throw new Failure('bad-collector-settings', `TERRARIUM_COLLECTOR is not valid: ${why}.`, {
      cause,
      exitCode: EXIT.usage,
    });
  }
  const share = (kind: { mib: number; hours: number }, part = 1): Limits => ({
    maxBytes: kind.mib * MIB * part,
    maxAgeMs: kind.hours * HOUR_MS,
  });
  return {
    limits: {
      cpu_history: share(parsed.samples, 0.25),
      memory_history: share(parsed.samples, 0.25),
      disk_history: share(parsed.samples, 0.25),
      interface_history: share(parsed.samples, 0.25),
      process_events: share(parsed.processes),
      kubernetes_events: share(parsed.events),
      container_logs: share(parsed.logs),
    },
    maxFileBytes: parsed.fileMib * MIB,
    maxLogBytes: parsed.logMib * MIB,
    sampleMs: parsed.sampleSeconds * 1000,
  };
}
