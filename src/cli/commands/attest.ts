/** `trove attest`: fetches the server's signed statement of where an artifact's files came from,
 *  or the key to verify it with. */
import { resolve } from 'node:path'
import { attestationKeysPath, attestationPath } from '../../api/paths.ts'
import { saveAs } from '../../client/files/save-as.ts'
import { readArtifact } from '../../client/find-artifact.ts'
import type { Answer } from '../../client/transport/answer.ts'
import { type ApiRequest, openAnswer, type ServerAccess } from '../../client/transport/http.ts'
import { unreadableAnswer } from '../../client/transport/foreign-answer.ts'
import { parseEntryReference } from '../../core/reference.ts'
import { serverFlags, takeOperands } from '../arguments.ts'
import type { Command } from '../command.ts'
import { write } from '../output/output.ts'
import { connect, inRun, type ServerContext, serverContext } from '../server-access.ts'

const flags = {
  url: serverFlags.url,
  project: serverFlags.project,
  output: { value: 'FILE', short: 'o', help: 'file to write; - is stdout (default)' },
  'public-key': {
    value: null,
    help: 'fetch the key for `trove verify --key`; needs no REF and no token',
  },
} as const

export const attestCommand: Command<typeof flags> = {
  operands: 'REF[:PATH]',
  summary:
    'Fetch a signed attestation of which run an artifact, or a file or directory in it, came from.',
  flags,
  examples: [
    'trove attest 42/build -o build.attestation.json',
    'trove attest 42/build:bin/app -o app.attestation.json',
    'trove attest --public-key -o trove.pub',
  ],
  exitStatuses: [3, 4, 5, 6, 10],
  async run({ flags: given, operands, stdout, stderr, signal }) {
    const wantsKey = given['public-key']
    const [target] = wantsKey ? takeOperands(operands, []) : takeOperands(operands, ['REF'])
    const context = wantsKey
      ? serverContext(given, { stderr })
      : await connect(given, { stderr, signal })
    const request =
      target === undefined
        ? { path: attestationKeysPath, signal }
        : await attestationOf(context, target, signal)
    const answer = await openAnswer(context.server, request)
    const body = wholeOf(context.server, answer, wantsKey ? keyForm : envelopeForm)
    if (given.output === undefined || given.output === '-')
      for await (const chunk of body) await write(stdout, chunk)
    else await saveAs(resolve(given.output), body, signal)
  },
}

/** How a whole document begins, and ends before its last line feed. */
interface Form {
  first: string
  last: string
}

const keyForm: Form = { first: '-----BEGIN PUBLIC KEY-----\n', last: '-----END PUBLIC KEY-----' }
const envelopeForm: Form = { first: '{"mediaType":', last: '}' }

/** Passes on a document that may be too long to hold. Errors: AnswerError for one that does
 *  not begin and end like a whole one, and those of the body. */
async function* wholeOf(
  server: ServerAccess,
  answer: Answer,
  { first, last }: Form,
): AsyncGenerator<Uint8Array> {
  let head = ''
  let tail = ''
  for await (const chunk of answer.chunks()) {
    if (head.length < first.length) head += chunk.toString('latin1', 0, first.length)
    if (!head.startsWith(first.slice(0, head.length))) break
    tail = (tail + chunk.toString('latin1', Math.max(0, chunk.length - 64))).slice(-64)
    yield chunk
  }
  if (!head.startsWith(first) || !tail.trimEnd().endsWith(last))
    throw unreadableAnswer(server, 'not a whole attestation or key')
}

async function attestationOf(
  { server, config, project }: ServerContext,
  target: string,
  signal: AbortSignal,
): Promise<ApiRequest> {
  const { reference, path } = parseEntryReference(target)
  const { id } = await readArtifact(server, inRun(reference, config), { project, signal })
  return { path: attestationPath(id), query: { path: path === '' ? undefined : path }, signal }
}
