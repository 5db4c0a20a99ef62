/** Headers by which a client recognizes a body that something on the way cut short, though it
 *  ends as if it were whole. Older servers do not send them. */

/** Bytes of the whole, in responses that need not name a range. */
export const lengthHeader = 'trove-length'

/** Lines of a listing of entries. */
export const entriesHeader = 'trove-entries'
