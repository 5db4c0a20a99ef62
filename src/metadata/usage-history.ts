/** Port: what was stored at past instants, the part of `Metadata` that charts and forecasts read. Points stand where
 *  something had changed: of the whole store one for each hour of the last week and one a day before that, of a project
 *  one a day; nothing is older than `limits.usageHistoryMs`. */

export interface UsagePoint {
  /** When it was noted: at the last change of its hour or day. What it says holds until the next point. */
  at: number
  logicalBytes: number
  /** Each distinct file and chunk once, before compression. */
  chunkBytes: number
  /** Of pack files; 0 for a project, because packs are shared by all. */
  storedBytes: number
}

export interface UsageHistoryMetadata {
  /** Notes what the store and at most `limit` projects hold, by id after `after` (null begins), and forgets what is too
   *  old. Answers where to go on, null at the end. */
  recordUsage(now: number, page: { after: number | null; limit: number }): Promise<number | null>
  /** Points since `since`, oldest first, and the one before them. At most `limits.usagePointsMax`. */
  listUsage(projectId: number | null, since: number): Promise<UsagePoint[]>
}
