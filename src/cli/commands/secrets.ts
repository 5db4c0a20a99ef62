/** `trove secrets`: lists credentials in an artifact, and dismisses false alarms. */
import type { WireSecretDismissal, WireSecretList } from '../../api/secrets.ts'
import { dismissSecrets, listSecrets } from '../../client/secrets.ts'
import { notFound } from '../../core/errors.ts'
import { parseReferenceOrName } from '../../core/reference.ts'
import { skippedFilesPart } from '../../core/secrets/secrets.ts'
import { counted } from '../../core/units.ts'
import { serverFlags, takeOperands, UsageError } from '../arguments.ts'
import type { Command } from '../command.ts'
import { exitStatus } from '../exit-status.ts'
import { formatTable, printable, unlessUnread, write, writeJson } from '../output/output.ts'
import { connectTo } from '../server-access.ts'

const flags = {
  ...serverFlags,
  dismiss: {
    value: 'PATH',
    help: 'mark what was found in this file as no secret, in the whole project',
  },
  undismiss: { value: 'PATH', help: 'undo --dismiss' },
} as const

export const secretsCommand: Command<typeof flags> = {
  operands: 'REF',
  summary:
    'List the files of an artifact that contain credentials, with line and kind. Exits with 14 when any has not been dismissed.',
  flags,
  examples: [
    'trove secrets latest:main/build',
    'trove secrets 42/build --dismiss examples/demo.env',
    'trove secrets id:7 --json',
  ],
  exitStatuses: [3, 4, 5, 6, 10, 14],
  async run({ flags: given, operands, stdout, stderr, signal }) {
    const [text] = takeOperands(operands, ['REF'])
    const { dismiss, undismiss } = given
    if (dismiss !== undefined && undismiss !== undefined)
      throw new UsageError('--dismiss and --undismiss cannot be combined')
    const { server, artifact } = await connectTo(given, parseReferenceOrName(text), {
      stderr,
      signal,
    })
    const { id } = artifact
    let list = await listSecrets(server, id, signal)
    const path = dismiss ?? undismiss
    if (path !== undefined) {
      const change = { digest: digestOf(list, path), dismissed: dismiss !== undefined }
      list = await dismissSecrets(server, id, change, signal)
      await write(stderr, changeOf(list, path, change))
    }
    if (given.json) await unlessUnread(writeJson(stdout, list))
    else if (list.secrets.length > 0) await unlessUnread(write(stdout, tableOf(list)))
    await write(stderr, summaryOf(list))
    if (!list.searched) return exitStatus.failure
    return isOpen(list) ? exitStatus.secretsFound : exitStatus.ok
  },
}

/** Errors: not_found. */
function digestOf({ secrets }: WireSecretList, path: string): string {
  const found = secrets.find((each) => each.path === path)
  if (found !== undefined) return found.digest
  throw notFound('secret', `no secret was found in ${JSON.stringify(path)}`)
}

function isOpen({ secrets }: WireSecretList): boolean {
  return secrets.some(({ dismissedAt }) => dismissedAt === null)
}

function tableOf({ secrets }: WireSecretList): string {
  return formatTable(secrets, [
    ['PLACE', ({ path, line }) => `${path}:${line}`],
    ['KIND', ({ title }) => title],
    ['STATUS', ({ dismissedAt: at }) => (at === null ? '' : `dismissed ${at.slice(0, 10)}`)],
  ])
}

/** What a change applies to: also files of the artifact with the same content. */
function changeOf(
  { secrets }: WireSecretList,
  path: string,
  { digest, dismissed }: WireSecretDismissal,
): string {
  const same = secrets.filter((secret) => secret.digest === digest)
  const others = new Set(same.map((secret) => secret.path)).size - 1
  const also = others > 0 ? ` and ${counted(others, 'other file')} with the same content` : ''
  const verb = dismissed ? 'dismissed' : 'restored'
  return `${verb} ${counted(same.length, 'finding')} in ${printable(path)}${also}\n`
}

function summaryOf({ searched, passedOver, secrets }: WireSecretList): string {
  if (!searched) return 'not searched yet; the server does that in the background\n'
  const dismissed = secrets.filter(({ dismissedAt }) => dismissedAt !== null).length
  const number = dismissed === secrets.length ? 'all' : String(dismissed)
  const part = dismissed === 0 ? '' : `, ${number} dismissed`
  return `${counted(secrets.length, 'secret')} found${part}${skippedFilesPart(passedOver)}\n`
}
