/** The metadata port on threads of its own, so that no statement ever blocks the event loop that
 *  serves requests. A call is a method name and arguments; the answer carries the value or
 *  the error. */
import { startThread } from '../../../program-files.ts'
import { createThreadClient, type ThreadClient } from '../../../worker-thread.ts'
import type { Metadata } from '../../metadata.ts'
import { countMissingMigrations } from '../connection/migrate.ts'
import type { StoreOptions } from '../sqlite.ts'
import { type Method, servedBy } from './served-by.ts'

export interface MetadataCall {
  method: Method
  args: unknown[]
  /** Whether an AbortSignal follows the arguments. */
  isStoppable: boolean
}

/** SQLite's cache is outside. A thread holds one manifest page or one batch of rows per call. */
const heapMiB = { old: 96, young: 6 }

type ThreadOptions = Pick<StoreOptions, 'path' | 'quota' | 'openUploadsMax' | 'sharedLog'> & {
  onDeath?: (error: Error) => void
}

/** Opens the database at `path` on a new thread; resolves once it is open. When the thread dies,
 *  every call in flight and every later one fails, and so does the process unless `onDeath`
 *  handles the error. */
export async function openMetadataWorker(options: ThreadOptions): Promise<Metadata> {
  const thread = await openThread('writer', options)
  return portOf(() => thread, thread.close)
}

/** The same on two threads, for a server: writes, which wait for each other and for the disk, do
 *  not delay what only reads. A read sees every write that was acknowledged before it was asked
 *  for. */
export async function openMetadataThreads({
  onMigration,
  ...options
}: ThreadOptions & {
  sharedLog: SharedArrayBuffer
  /** Called before a database of an older version is migrated, which can take minutes, with the
   *  number of migrations. */
  onMigration?: (missing: number) => void
}): Promise<Metadata> {
  const missing = countMissingMigrations(options.path)
  if (missing > 0) onMigration?.(missing)
  const writer = await openThread('writer', options)
  const reader = await openThread('reader', options).catch(async (error: unknown) => {
    await writer.close()
    throw error
  })
  const threads = { writer, reader }
  return portOf(
    (method) => threads[servedBy[method]],
    async () => {
      try {
        await reader.close()
      } finally {
        await writer.close()
      }
    },
  )
}

type MetadataThread = ThreadClient<MetadataCall, unknown>

async function openThread(
  role: 'writer' | 'reader',
  { onDeath = throwLater, ...options }: ThreadOptions,
): Promise<MetadataThread> {
  const isReader = role === 'reader'
  const name = isReader ? 'metadata reader' : 'metadata'
  const worker = startThread('metadata/sqlite/thread/sqlite-thread.ts', {
    name,
    workerData: { ...options, isReader, isCollector: !isReader } satisfies StoreOptions,
    heapMiB,
  })
  const thread = createThreadClient<MetadataCall, unknown>(worker, name)
  await thread.opened
  void thread.died.then((cause) => onDeath(new Error(`the ${name} thread died`, { cause })))
  return thread
}

function portOf(
  threadOf: (method: Method) => MetadataThread,
  close: () => Promise<void>,
): Metadata {
  const port = Object.fromEntries(
    Object.keys(servedBy).map((name) => {
      const method = name as Method
      const thread = threadOf(method)
      const call = async (...args: unknown[]): Promise<unknown> => {
        const signal = args.at(-1) instanceof AbortSignal ? (args.pop() as AbortSignal) : undefined
        const isStoppable = signal !== undefined
        return await thread.request({ method, args, isStoppable }, { ...(signal && { signal }) })
      }
      return [method, call]
    }),
  ) as unknown as Omit<Metadata, 'close'>
  return { ...port, close }
}

function throwLater(error: Error): void {
  // A server without its metadata can do nothing right, so the error must be uncaught.
  setImmediate(() => {
    throw error
  })
}
