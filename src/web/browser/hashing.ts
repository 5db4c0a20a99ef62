/** Work on the contents of files, done in workers: hashing, cutting large files, encoding what
 *  is sent. */
import type { Composite } from './wire.ts'

/** A range of a file that is one blob. */
export interface Piece {
  file: File
  start: number
  end: number
  digest: string
  kind: 'blob' | 'firstPart'
}

export type Work =
  | { kind: 'hash'; file: File }
  | { kind: 'cut'; file: File; digest: string }
  /** `isWhole`: the pieces are all parts of one file, in order. */
  | { kind: 'encode'; pieces: Piece[]; isWhole: boolean }

export interface WorkRequest {
  id: number
  work: Work
}

export type WorkAnswer =
  | { id: number; kind: 'progress'; bytes: number }
  | { id: number; kind: 'done'; result: unknown }
  | { id: number; kind: 'failed'; message: string }

export interface Workers {
  /** Returns the SHA-256 as hex; `onBytes` gets the number of bytes of each piece read. */
  hash(file: File, onBytes: (bytes: number) => void): Promise<string>
  cut(file: File, digest: string): Promise<Composite>
  /** Returns the records of a `/packs` body. */
  encode(pieces: Piece[], isWhole: boolean): Promise<Uint8Array<ArrayBuffer>>
  /** Work in progress fails. */
  close(): void
}

const workersMax = 4

export function openWorkers(address: string): Workers {
  const url = trustedWorker(address)
  const count = Math.max(1, Math.min(workersMax, navigator.hardwareConcurrency - 1))
  const workers = Array.from({ length: count }, () => openWorker(url))
  let turn = 0
  const run = (work: Work, onBytes: (bytes: number) => void = () => {}): Promise<unknown> =>
    workers[turn++ % workers.length]!.run(work, onBytes)
  return {
    hash: async (file, onBytes) => (await run({ kind: 'hash', file }, onBytes)) as string,
    cut: async (file, digest) => (await run({ kind: 'cut', file, digest })) as Composite,
    encode: async (pieces, isWhole) =>
      (await run({ kind: 'encode', pieces, isWhole })) as Uint8Array<ArrayBuffer>,
    close: () => {
      for (const worker of workers) worker.close()
    },
  }
}

interface OneWorker {
  run(work: Work, onBytes: (bytes: number) => void): Promise<unknown>
  close(): void
}

function openWorker(url: string): OneWorker {
  interface Waiting {
    onBytes(bytes: number): void
    resolve(result: unknown): void
    reject(error: Error): void
  }
  const worker = new Worker(url, { type: 'module' })
  const waiting = new Map<number, Waiting>()
  let lastId = 0
  let failure: Error | undefined
  const fail = (): void => {
    worker.terminate()
    failure ??= new Error('a worker failed')
    for (const { reject } of waiting.values()) reject(failure)
    waiting.clear()
  }
  worker.addEventListener('message', ({ data }: MessageEvent<WorkAnswer>) => {
    const request = waiting.get(data.id)
    if (data.kind === 'progress') {
      request?.onBytes(data.bytes)
      return
    }
    waiting.delete(data.id)
    if (data.kind === 'done') request?.resolve(data.result)
    else request?.reject(new Error(data.message))
  })
  worker.addEventListener('error', fail)
  return {
    run: (work, onBytes) =>
      new Promise((resolve, reject) => {
        if (failure !== undefined) {
          reject(failure)
          return
        }
        const id = ++lastId
        waiting.set(id, { onBytes, resolve, reject })
        worker.postMessage({ id, work } satisfies WorkRequest)
      }),
    close: fail,
  }
}

interface Policies {
  createPolicy(
    name: string,
    rules: { createScriptURL(address: string): string },
  ): { createScriptURL(address: string): string }
}

let policy: ReturnType<Policies['createPolicy']> | undefined

/** Returns the address of a worker script. These scripts, from this server's assets, are the
 *  only ones that the pages' Trusted Types policy allows. */
function trustedWorker(address: string): string {
  if (!/^\/assets\/[\w.-]+\.js$/.test(address)) throw new Error(`not a worker of ours: ${address}`)
  const { trustedTypes } = globalThis as { trustedTypes?: Policies }
  if (trustedTypes === undefined) return address
  policy ??= trustedTypes.createPolicy('trove', { createScriptURL: (checked) => checked })
  return policy.createScriptURL(address)
}
