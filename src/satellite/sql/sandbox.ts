import { DatabaseSync, constants, type StatementSync } from 'node:sqlite';
import { pathToFileURL } from 'node:url';
import type { LiveTable, Row, SqlInput, Table } from '../table.ts';

/** A statement that is refused or wrong; `code` is one of the bus's `query.*` codes. */
export class QueryError extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/**
 * A text or blob may not be larger, nor may the rows that SQLite keeps aside while it sorts: 1 MiB, and what a row has
 * besides.
 */
const MAX_VALUE_BYTES = 1024 * 1024 + 16 * 1024;

/**
 * SQLite's functions that compute from their arguments alone, or tell time or chance; none reaches files, code or the
 * connection's state.
 */
const FUNCTIONS = new Set(
  (
    'abs char coalesce concat concat_ws format glob hex if ifnull iif instr length like likelihood likely lower ' +
    'ltrim max min nullif octet_length ' +
    'printf quote random randomblob replace round rtrim sign soundex substr substring trim typeof unhex unicode ' +
    'unistr unistr_quote unlikely upper zeroblob ' +
    'avg count group_concat median percentile percentile_cont percentile_disc string_agg sum total ' +
    'row_number rank dense_rank percent_rank cume_dist ntile lag lead first_value last_value nth_value ' +
    'date time datetime julianday unixepoch strftime timediff current_date current_time current_timestamp ' +
    'json json_array json_array_length json_error_position json_extract json_insert json_object json_patch ' +
    'json_pretty json_remove json_replace json_set ' +
    'json_type json_valid json_quote json_group_array json_group_object -> ->> ' +
    'acos acosh asin asinh atan atan2 atanh ceil ceiling cos cosh degrees exp floor ln log log10 log2 mod pi pow ' +
    'power radians sin sinh sqrt tan tanh trunc'
  ).split(' '),
);
const READABLE = new Set(['sqlite_master', 'sqlite_schema', 'json_each', 'json_tree']);

const { SQLITE_OK, SQLITE_DENY, SQLITE_SELECT, SQLITE_READ, SQLITE_FUNCTION, SQLITE_RECURSIVE } = constants;

/**
 * A database in memory with the tables that a statement reads, beside it the collector's database, read-only; nothing
 * else can be reached. The authorizer stays in force while a statement runs, since some (VACUUM INTO) only show then
 * what they are.
 */
export class Sandbox {
  readonly #db: DatabaseSync;
  readonly #tables: Map<string, Table>;
  /** Names that are no tables of ours but something in SQLite: the collector's own tables, virtual tables. */
  readonly #foreign = new Set<string>();
  #filled = new Set<string>();

  /** @param history the collector's database; without one its tables are empty */
  constructor(tables: Table[], history: string | undefined) {
    this.#tables = new Map(tables.map((t) => [t.name, t]));
    this.#db = new DatabaseSync(':memory:', {
      allowExtension: false,
      enableDoubleQuotedStringLiterals: false,
      limits: {
        attach: 1,
        length: MAX_VALUE_BYTES,
        sqlLength: 64 * 1024,
        exprDepth: 200,
        compoundSelect: 50,
        likePatternLength: 1_000,
        triggerDepth: 0,
      },
    });
    // Where the temporary B-trees of a large sort would otherwise fill a disk.
    this.#db.exec('PRAGMA temp_store = MEMORY');
    if (history !== undefined) {
      this.#db.prepare('ATTACH ? AS history').run(`${pathToFileURL(history).href}?mode=ro`);
      // This also opens the file, while this process may.
      for (const { name } of this.#db.prepare('SELECT name FROM history.sqlite_schema').all()) {
        this.#foreign.add(String(name).toLowerCase());
      }
    }
    for (const { name } of this.#db.prepare('SELECT name FROM pragma_module_list').all()) {
      this.#foreign.add(String(name).toLowerCase());
    }
    this.#db.limits.attach = 0;
    for (const { name, kind, columns } of tables) {
      if (kind === 'live' || history === undefined) {
        this.#db.exec(`CREATE TABLE ${name} (${columns.map((c) => `${c.name} ${c.type}`).join(', ')})`);
      }
    }
  }

  /**
   * Compiles one SELECT, fills the live tables that it names, and hands it over ready to run.
   * @throws QueryError `query.denied` for anything that is not one reading statement, `query.syntax` for what SQLite
   *   does not understand
   */
  prepare(sql: string, rowsOf: (table: LiveTable) => Iterable<Row>): StatementSync {
    const read = new Set<string>();
    this.#authorize(read);
    const statement = this.#compile(sql);
    this.#db.setAuthorizer(null);
    for (const name of read) {
      const table = this.#tables.get(name);
      if (table?.kind === 'live') {
        this.#fill(table, rowsOf(table));
      }
    }
    this.#authorize(read);
    statement.setReadBigInts(true);
    statement.setReturnArrays(true);
    return statement;
  }

  /** Empties what `prepare` has filled; the statement is not to be used any more. */
  clear(): void {
    this.#db.setAuthorizer(null);
    for (const name of this.#filled) {
      this.#db.exec(`DELETE FROM ${name}`);
    }
    this.#filled.clear();
  }

  #authorize(read: Set<string>): void {
    this.#db.setAuthorizer((action, first, second) => {
      switch (action) {
        case SQLITE_SELECT:
          read.add('');
          return SQLITE_OK;
        case SQLITE_RECURSIVE:
          return SQLITE_OK;
        case SQLITE_READ: {
          const name = (first ?? '').toLowerCase();
          if (this.#tables.has(name) || READABLE.has(name)) {
            read.add(name);
            return SQLITE_OK;
          }
          // Without a column it may be the name that the statement itself gives to a subquery (`with x as (…) select
          // count(*) from x`).
          return second === '' && !this.#foreign.has(name) && !/^(sqlite|pragma)_/.test(name) ? SQLITE_OK : SQLITE_DENY;
        }
        case SQLITE_FUNCTION:
          return FUNCTIONS.has((second ?? '').toLowerCase()) ? SQLITE_OK : SQLITE_DENY;
        default:
          return SQLITE_DENY;
      }
    });
  }

  #compile(sql: string): StatementSync {
    let statement: StatementSync;
    try {
      statement = this.#db.prepare(sql);
    } catch (error) {
      throw this.translate(error);
    }
    // SQLite compiles the first statement and leaves the rest of the text alone; comments behind a semicolon are no
    // statement.
    const rest = sql.slice(statement.sourceSQL.length).replace(/\/\*[\s\S]*?\*\/|--[^\n]*|[\s;]/g, '');
    if (rest !== '') {
      throw new QueryError('query.denied', 'Only one statement at a time can be run.');
    }
    if (statement.columns().length === 0 || !/^\s*(select|with|values|explain)\b/i.test(withoutComments(sql))) {
      throw new QueryError('query.denied', 'Only SELECT statements can be run here.');
    }
    return statement;
  }

  #fill(table: LiveTable, rows: Iterable<Row>): void {
    const names = table.columns.map((c) => c.name);
    const insert = this.#db.prepare(
      `INSERT INTO ${table.name} (${names.join(', ')}) VALUES (${names.map(() => '?').join(', ')})`,
    );
    this.#filled.add(table.name);
    this.#db.exec('BEGIN');
    try {
      for (const row of rows) {
        insert.run(...names.map((n): SqlInput => row[n] ?? null));
      }
      this.#db.exec('COMMIT');
    } catch (error) {
      // Some errors, such as a lack of memory, have rolled it back already.
      if (this.#db.isTransaction) {
        this.#db.exec('ROLLBACK');
      }
      throw error;
    }
  }

  /** What SQLite threw, in the words of the bus's error codes. */
  translate(error: unknown): QueryError {
    if (error instanceof QueryError) {
      return error;
    }
    const { code, errcode, message } = error as { code?: string; errcode?: number; message?: string };
    const text = message ?? String(error);
    if (code === 'ERR_INVALID_ARG_VALUE') {
      return new QueryError('query.syntax', 'There is no statement.');
    }
    if (code !== 'ERR_SQLITE_ERROR') {
      return new QueryError('query.internal', text);
    }
    if (/no such table: /.test(text)) {
      return new QueryError('query.syntax', `${text}; tables here: ${[...this.#tables.keys()].join(', ')}`);
    }
    if (errcode === 23 || /^not authorized|^access to .* is prohibited|prohibited/.test(text)) {
      return new QueryError(
        'query.denied',
        `This statement is not allowed here (${text}): only SELECT over the tables of the satellite.`,
      );
    }
    if (errcode === 7 || /out of memory/.test(text)) {
      return new QueryError('query.memory', 'The statement needs more memory than a query may use.');
    }
    if (errcode === 18) {
      return new QueryError(
        'query.too-large',
        `A value of the statement is larger than ${MAX_VALUE_BYTES} bytes, and so is no text or blob of a query ` +
          `(${text}): take parts of it by substr(), or its length().`,
      );
    }
    return new QueryError('query.syntax', text);
  }
}

function withoutComments(sql: string): string {
  return sql.replace(/^(\s|--[^\n]*(\n|$)|\/\*[\s\S]*?\*\/)*/, '');
}
