/** Thrown when a complete, readable zip cannot be taken apart safely; `message` is the reason shown
 *  to users. */
export class ZipOpaque extends Error {
  override readonly name = 'ZipOpaque'
}
