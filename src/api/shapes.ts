import { z } from 'zod';

/** Shapes that several resources of the API share. */

/** A time in ISO 8601. */
export const timestampShape = z.iso.datetime();
/** A position of the state. */
export const versionShape = z.int().nonnegative();
