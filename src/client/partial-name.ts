/** Where a download makes new files (partial-tree.ts): a directory of DEST, which is no content of it. */
export const partialName = '.trove-partial'
