import { z } from 'zod';

/**
 * The DNS zone of which the cloud tells: `console.ZONE`, `ID.satellites.ZONE`. The top-level domain is reserved for
 * private use (ICANN, 2024).
 */
export const DEFAULT_ZONE = 'terrarium.internal';

/**
 * Lower case, without a dot at the end, of two labels at least; short enough for `ID.satellites.ZONE` with the longest
 * id.
 */
export const zoneName = z
  .string()
  .max(150)
  .regex(
    /^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?$/,
    'must be a DNS name in lower case, such as terrarium.internal',
  );

/** The console's name, which leads to live instances only. */
export const consoleNameIn = (zone: string): string => `console.${zone}`;

/** The name of a satellite's own HTTPS endpoint. */
export const satelliteNameIn = (zone: string, id: string): string => `${id}.satellites.${zone}`;
