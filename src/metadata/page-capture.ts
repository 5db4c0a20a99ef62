/** Port: the pages of the database that transactions write, as they write them, for a copy that
 *  follows it. A copy of the file that is made after `start` resolved, while others write, becomes
 *  the database as of a commit when the pages passed since then are written over it in order, up
 *  to a `committed` after the copying. */

export interface PageSink {
  /** Pages one after another, each after its number (4 bytes, big-endian, from 1). They are gone
   *  after the call. */
  onPages(records: Uint8Array): void
  /** With all pages up to here, the copy is the database as of a commit, if cut to `pageCount`
   *  pages. */
  onCommitted(pageCount: number): void
  /** The capture has ended, because pages may have been missed. */
  onLost(reason: string): void
}

export interface PageCapture {
  /** Size of a page and its number, in bytes. */
  readonly recordBytes: number
  /** Begins to pass pages to `sink`, and to nobody else any more. Errors: that of the capture that
   *  is lost before it began, storage_full. */
  start(sink: PageSink): Promise<void>
  /** Passes again what a copy of the file that is begun now would not find in it, since pages are
   *  captured before they are written to the file. Resolves when the sink has got it. Errors: as
   *  `flush`. */
  repeat(): Promise<void>
  /** Resolves when the sink has got all that was committed before the call. Errors: the capture
   *  is lost or has ended; storage_full, when the sink gets it once the disk has room again. */
  flush(): Promise<void>
  /** Passes nothing any more. A no-op when nothing is captured. */
  stop(): void
}
