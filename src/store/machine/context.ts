import type { Statement } from 'better-sqlite3';
import type { Store } from '../database.ts';
import type { ImageRecorder } from '../images.ts';
import type { Statements } from './internal-tables.ts';
import type { MachineOptions, Meta } from './types.ts';

/** What the parts of a machine work with. */
export interface MachineContext {
  readonly db: Store;
  readonly options: MachineOptions;
  readonly sql: Statements;
  readonly images: ImageRecorder;
  /** Prepares each text once. */
  prepared(text: string): Statement;
  /** What has been applied, the transaction under way included. */
  meta: Meta;
}
