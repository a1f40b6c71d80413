/** What tests of more than half a minute are skipped by, unless TUNEBOOK_LONG_TESTS is 1; a shorter one of their kind runs. */
export const LONG: { readonly skip: string | false } = {
  skip: process.env.TUNEBOOK_LONG_TESTS === '1' ? false : 'long: TUNEBOOK_LONG_TESTS=1 runs it',
};
