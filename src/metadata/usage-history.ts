/** Port: what was stored at past instants, the part of `Metadata` that charts and forecasts
 *  read. A point exists only where something changed: for the whole store one per hour over the
 *  last week and one per day before that, for a project one per day. Nothing is older than
 *  `limits.usageHistoryMs`. */

export interface UsagePoint {
  /** When it was noted: at the last change in its hour or day. Its values hold until the next
   *  point. */
  at: number
  logicalBytes: number
  /** Each distinct file and chunk counted once, before compression. */
  chunkBytes: number
  /** Size of pack files; 0 for a project, because all projects share packs. */
  storedBytes: number
}

export interface UsageHistoryMetadata {
  /** Records the usage of the store and of at most `limit` projects, by id after `after` (null
   *  begins), and deletes points that are too old. Returns where to continue, null at the end. */
  recordUsage(now: number, page: { after: number | null; limit: number }): Promise<number | null>
  /** Points since `since`, oldest first, preceded by the last point before it. At most
   *  `limits.usagePointsMax`. */
  listUsage(projectId: number | null, since: number): Promise<UsagePoint[]>
}
