const ENDLESS = 'with recursive c(x) as (select 1 union all select x + 1 from c)';
const TEXT =
  "(with recursive t(n, s) as (select 1, 'a' union all select n + 1, s || s from t where n < 20) select max(s) from t)";

/**
 * Eight statements that no satellite may suffer from: what each is, its SQL, and what may come of it; of those that are
 * refused at once where there is room for them, with what. With four running at once the others wait, and may be told
 * so; and in a few seconds a busy machine may not come to begin one.
 * @param stolen a file that one of them tries to write
 */
export const hostileStatements = (stolen: string): [string, string, RegExp, string?][] => [
  ['for ever', `${ENDLESS} select max(x) from c`, /^query\.(timeout|busy)$/],
  ['memory', `${ENDLESS} select count(distinct hex(randomblob(9000)) || x) from c`, /^query\.(memory|timeout|busy)$/],
  ['attach', "attach '/etc/shadow' as p", /^query\.(denied|timeout|busy)$/, 'query.denied'],
  ['write', `vacuum into '${stolen}'`, /^query\.(denied|timeout|busy)$/, 'query.denied'],
  [
    'recursion',
    'with recursive a(x) as (select 1 union all select a.x + b.x from a, (select 1 x union all select 2) b) select ' +
      'count(*) from a',
    /^query\.(timeout|memory|busy)$/,
  ],
  [
    'huge blob',
    'select zeroblob(2000000000) || zeroblob(2000000000)',
    /^query\.(too-large|timeout|busy)$/,
    'query.too-large',
  ],
  ['huge text', `${ENDLESS} select group_concat(${TEXT} || x) from c`, /^query\.(too-large|memory|timeout|busy)$/],
  [
    'regular expression',
    `select count(*) from (${ENDLESS} select x from c limit 1000) where ${TEXT} glob '${'*a'.repeat(400)}b'`,
    /^query\.(timeout|syntax|too-large|busy)$/,
  ],
];
