/** Directory below DEST where a download creates new files (partial-tree.ts); never part of the
 *  content of DEST. */
export const partialName = '.trove-partial'
