/** Twirp messages. Requests are parsed leniently: snake_case or camelCase, int64 as text or
 *  number, defaults left out, unknown fields ignored (GITHUB-PROTOCOL §1.4: strict parsing broke
 *  another server). Responses are snake_case, because the client masks signed URLs in logs only
 *  then (§1.13). */
import { parseWireDigest, type Digest } from '../../core/bytes/digest.ts'
import { invalidRequest } from '../../core/errors.ts'

/** The sender's ids, which a client repeats from its token or from a list. */
export interface BackendIds {
  run: string
  job: string
}

export interface CreateRequest extends BackendIds {
  name: string
  /** Epoch ms; null when absent. */
  expiresAt: number | null
  mimeType: string | null
}

export interface FinalizeRequest extends BackendIds {
  name: string
  sizeBytes: number
  digest: Digest | null
}

export interface ListRequest extends BackendIds {
  nameFilter: string | null
  idFilter: number | null
}

export interface NameRequest extends BackendIds {
  name: string
}

/** Errors: invalid_request, as all parsers of this file. */
export function parseCreateRequest(body: unknown): CreateRequest {
  const message = new Message(body)
  return {
    ...backendIds(message),
    name: message.text('name') ?? '',
    expiresAt: message.timestamp('expires_at'),
    mimeType: message.text('mime_type'),
  }
}

export function parseFinalizeRequest(body: unknown): FinalizeRequest {
  const message = new Message(body)
  const hash = message.text('hash')
  const digest = hash === null ? null : parseWireDigest(hash)
  if (digest === undefined) {
    throw invalid(
      'hash',
      `must be "sha256:" followed by 64 lower-case hex digits, got ${JSON.stringify(hash)}`,
    )
  }
  return {
    ...backendIds(message),
    name: message.text('name') ?? '',
    // GITHUB-PROTOCOL §6.2: the default value 0 is omitted.
    sizeBytes: message.integer('size') ?? 0,
    digest,
  }
}

export function parseListRequest(body: unknown): ListRequest {
  const message = new Message(body)
  return {
    ...backendIds(message),
    nameFilter: message.text('name_filter'),
    idFilter: message.integer('id_filter'),
  }
}

export function parseNameRequest(body: unknown): NameRequest {
  const message = new Message(body)
  return { ...backendIds(message), name: message.text('name') ?? '' }
}

function backendIds(message: Message): BackendIds {
  return {
    run: message.text('workflow_run_backend_id') ?? '',
    job: message.text('workflow_job_run_backend_id') ?? '',
  }
}

/** Reads the fields of one message. An empty string is a default and counts as absent. */
class Message {
  readonly #fields: Record<string, unknown>

  constructor(body: unknown) {
    if (typeof body !== 'object' || body === null || Array.isArray(body)) {
      throw invalid('body', 'must be a JSON object')
    }
    this.#fields = body as Record<string, unknown>
  }

  text(name: string): string | null {
    const value = this.#value(name)
    if (value === undefined) return null
    if (typeof value !== 'string')
      throw invalid(name, `must be a string, got ${JSON.stringify(value)}`)
    return value === '' ? null : value
  }

  integer(name: string): number | null {
    const value = this.#value(name)
    if (value === undefined || value === '') return null
    const number = typeof value === 'string' && /^\d{1,16}$/.test(value) ? Number(value) : value
    if (typeof number === 'number' && Number.isSafeInteger(number) && number >= 0) return number
    throw invalid(name, `must be a whole number, got ${JSON.stringify(value)}`)
  }

  timestamp(name: string): number | null {
    const text = this.text(name)
    if (text === null) return null
    const instant = Date.parse(text)
    if (!Number.isNaN(instant) && /^\d{4}-\d\d-\d\dT/.test(text)) return instant
    throw invalid(name, `must be an RFC 3339 timestamp, got ${JSON.stringify(text)}`)
  }

  #value(name: string): unknown {
    const camelCase = name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())
    const value = this.#fields[name] ?? this.#fields[camelCase]
    return value === null ? undefined : value
  }
}

function invalid(field: string, reason: string): Error {
  return invalidRequest(field, `${field} ${reason}`)
}
