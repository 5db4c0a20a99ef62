/** Files hashed in workers, a few at a time. */

export interface HashRequest {
  id: number
  file: File
}

export type HashAnswer =
  | { id: number; kind: 'progress'; bytes: number }
  | { id: number; kind: 'done'; digest: string }
  | { id: number; kind: 'failed'; message: string }

export interface Hashers {
  /** The SHA-256 as hex; `onBytes` is told of bytes as they are read. */
  hash(file: File, onBytes: (bytes: number) => void): Promise<string>
  close(): void
}

const workersMax = 4

export function openHashers(address: string): Hashers {
  const url = trustedWorker(address)
  const count = Math.max(1, Math.min(workersMax, navigator.hardwareConcurrency - 1))
  const workers = Array.from({ length: count }, () => openWorker(url))
  let turn = 0
  return {
    hash: (file, onBytes) => workers[turn++ % workers.length]!.hash(file, onBytes),
    close: () => {
      for (const worker of workers) worker.close()
    },
  }
}

function openWorker(url: string): Hashers {
  interface Waiting {
    onBytes(bytes: number): void
    resolve(digest: string): void
    reject(error: Error): void
  }
  const worker = new Worker(url, { type: 'module' })
  const waiting = new Map<number, Waiting>()
  let lastId = 0
  worker.addEventListener('message', ({ data }: MessageEvent<HashAnswer>) => {
    const request = waiting.get(data.id)
    if (data.kind === 'progress') {
      request?.onBytes(data.bytes)
      return
    }
    waiting.delete(data.id)
    if (data.kind === 'done') request?.resolve(data.digest)
    else request?.reject(new Error(data.message))
  })
  worker.addEventListener('error', () => {
    for (const { reject } of waiting.values()) reject(new Error('hashing failed to start'))
    waiting.clear()
  })
  return {
    hash: (file, onBytes) =>
      new Promise((resolve, reject) => {
        const id = ++lastId
        waiting.set(id, { onBytes, resolve, reject })
        worker.postMessage({ id, file } satisfies HashRequest)
      }),
    close: () => {
      worker.terminate()
    },
  }
}

interface Policies {
  createPolicy(
    name: string,
    rules: { createScriptURL(address: string): string },
  ): {
    createScriptURL(address: string): string
  }
}

let policy: ReturnType<Policies['createPolicy']> | undefined

/** The one thing that pages may turn into code: a worker of this server's own assets. */
function trustedWorker(address: string): string {
  const isOurs = (given: string): boolean => /^\/assets\/[\w.-]+\.js$/.test(given)
  if (!isOurs(address)) throw new Error(`not a worker of ours: ${address}`)
  const { trustedTypes } = globalThis as { trustedTypes?: Policies }
  if (trustedTypes === undefined) return address
  policy ??= trustedTypes.createPolicy('trove', {
    createScriptURL: (given) => (isOurs(given) ? given : ''),
  })
  return policy.createScriptURL(address)
}
