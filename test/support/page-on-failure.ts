import type { Page } from 'playwright-core';
import type { Test } from 'tap';

/** After each test of `t` that has failed, prints where its page is and the text that it shows. */
export function showPageOnFailure(t: Test, page: () => Page): void {
  t.afterEach(async (ended) => {
    if (!ended.passing()) {
      const text = await page().locator('body').innerText({ timeout: 5_000 });
      ended.comment(`The page ${page().url()} shows:\n${text}`);
    }
  });
}
