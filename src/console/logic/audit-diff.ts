/** JSON as the audit log has it. */
type Value = unknown;

export interface FieldChange {
  /** Empty where it is no object. */
  field: string;
  before: string;
  after: string;
}

const isObject = (value: Value): value is Record<string, Value> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function text(field: string, value: Value): string {
  if (value === undefined || value === null) {
    return '–';
  }
  // The log has times as it stores them, in milliseconds since 1970.
  if (typeof value === 'number' && field.endsWith('At') && value > 1e12) {
    return new Date(value).toISOString();
  }
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** What of a thing has changed, field by field; all of its fields where it came or went. */
export function fieldChanges(before: Value, after: Value): FieldChange[] {
  if (!isObject(before ?? {}) || !isObject(after ?? {})) {
    return [{ field: '', before: text('', before), after: text('', after) }];
  }
  const [old, now] = [isObject(before) ? before : {}, isObject(after) ? after : {}];
  return [...new Set([...Object.keys(old), ...Object.keys(now)])]
    .filter((field) => JSON.stringify(old[field]) !== JSON.stringify(now[field]))
    .map((field) => ({ field, before: text(field, old[field]), after: text(field, now[field]) }));
}

/** Whether a thing was made, changed or deleted. */
export function changeKind(before: Value, after: Value): 'created' | 'deleted' | 'changed' {
  if ((before ?? null) === null) {
    return 'created';
  }
  return (after ?? null) === null ? 'deleted' : 'changed';
}
