export function Logo() {
  return <img class="logo" src="/favicon.svg" alt="" width="28" height="28" />;
}
