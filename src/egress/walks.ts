/** Walks through whole manifests before a download begins, to measure a part of an artifact or to
 *  find what is damaged in it. Each holds a page of entries or two, so that hundreds at once would
 *  take hundreds of megabytes. */
import { createPlaces } from './places.ts'

const places = createPlaces(8)

/** Runs `walk` once there is a place for it; projects take turns. Errors: the abort reason, and
 *  those of `walk`. */
export async function inWalk<Result>(
  { projectId }: { projectId: number },
  signal: AbortSignal | undefined,
  walk: () => Promise<Result>,
): Promise<Result> {
  const place = await places.take(projectId, signal)
  try {
    return await walk()
  } finally {
    place.end()
  }
}
