import t from 'tap';
import { parseJson } from '../../src/cloud/http/json.ts';

const nested = (levels: number): string => '[{"a":'.repeat(levels / 2) + '1' + '}]'.repeat(levels / 2);
/** By a loop: this, too, must not run out of stack. */
function depth(value: unknown): number {
  let levels = 0;
  for (let at = value; typeof at === 'object' && at !== null; at = Object.values(at)[0]) {
    levels += 1;
  }
  return levels;
}

t.test('64 levels are the most, however many there are beyond', (t) => {
  t.equal(depth(parseJson(nested(64))), 64);
  for (const text of [nested(66), `[${nested(64)}]`, nested(3_000), '['.repeat(1_000_000), '{"a":'.repeat(200_000)]) {
    t.throws(() => parseJson(text), /nested deeper than 64 levels/);
  }
  t.end();
});

t.test('what is beside one another, or in a text, is no level', (t) => {
  const list = Array.from({ length: 1_000 }, () => [[{}], { a: [] }]);
  t.same(parseJson(JSON.stringify(list)), list);
  for (const text of ['['.repeat(100), '"['.repeat(100), `\\"${'{'.repeat(100)}`, `\\\\${'['.repeat(100)}`, '\\']) {
    t.same(parseJson(JSON.stringify({ [text]: [text] })), { [text]: [text] });
  }
  t.end();
});

t.test('what is no JSON is said to be none', (t) => {
  for (const text of ['', '{', ']'.repeat(100), `${']'.repeat(100)}${'['.repeat(100)}`, '"', '"\\']) {
    t.throws(() => parseJson(text), SyntaxError);
  }
  t.end();
});
