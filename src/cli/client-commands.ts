/** The commands that need nothing but a server, by name. Most share all but their last hundred lines and are in one file with
 *  the entry point (bundle.mjs), so they are there; others are loaded when they are asked for. */
import { UsageError } from './arguments.ts'
import type { Command } from './command.ts'
import { catCommand } from './commands/cat.ts'
import { diffCommand } from './commands/diff.ts'
import { downloadCommand } from './commands/download.ts'
import { expireCommand } from './commands/expire.ts'
import { findCommand } from './commands/find.ts'
import { historyCommand } from './commands/history.ts'
import { keepCommand } from './commands/keep.ts'
import { listCommand } from './commands/list.ts'
import { lsCommand } from './commands/ls.ts'
import { rmCommand } from './commands/rm.ts'
import { searchCommand } from './commands/search.ts'
import { shasumCommand } from './commands/shasum.ts'
import { uploadCommand } from './commands/upload.ts'
import { urlCommand } from './commands/url.ts'
import { verifyCommand } from './commands/verify.ts'
import { whyCommand } from './commands/why.ts'
import { suggestion } from './suggestion.ts'

export interface Listed {
  summary: string
  load(): Promise<Command>
}

export type Commands = Readonly<Record<string, Listed>>

export const clientCommands = {
  token: {
    summary: 'mints a token',
    load: async () => (await import('./commands/token.ts')).tokenCommand,
  },
  revoke: {
    summary: 'makes tokens void before their end',
    load: async () => (await import('./commands/revoke.ts')).revokeCommand,
  },
  list: {
    summary: 'lists artifacts',
    load: () => Promise.resolve(listCommand),
  },
  ls: {
    summary: 'lists the entries of an artifact',
    load: () => Promise.resolve(lsCommand),
  },
  cat: {
    summary: 'writes one file of an artifact to stdout',
    load: () => Promise.resolve(catCommand),
  },
  upload: {
    summary: 'uploads files and directories; sends only what the server lacks',
    load: () => Promise.resolve(uploadCommand),
  },
  download: {
    summary: 'brings a directory to what an artifact holds',
    load: () => Promise.resolve(downloadCommand),
  },
  verify: {
    summary: 'compares a directory with what an artifact holds, or a file with its zip',
    load: () => Promise.resolve(verifyCommand),
  },
  attest: {
    summary: 'fetches what a server attests of an artifact: which run its files came from',
    load: async () => (await import('./commands/attest.ts')).attestCommand,
  },
  shasum: {
    summary: 'prints digests of the files of an artifact, as sha256sum does',
    load: () => Promise.resolve(shasumCommand),
  },
  url: {
    summary: 'prints the address of an artifact, or of a file of it',
    load: () => Promise.resolve(urlCommand),
  },
  find: {
    summary: 'tells which artifacts hold a file',
    load: () => Promise.resolve(findCommand),
  },
  search: {
    summary: 'finds paths inside artifacts',
    load: () => Promise.resolve(searchCommand),
  },
  history: {
    summary: 'lists the versions of a file, and since which run each has been there',
    load: () => Promise.resolve(historyCommand),
  },
  rm: {
    summary: 'deletes artifacts',
    load: () => Promise.resolve(rmCommand),
  },
  keep: {
    summary: 'keeps an artifact for ever',
    load: () => Promise.resolve(keepCommand),
  },
  expire: {
    summary: 'changes when an artifact expires',
    load: () => Promise.resolve(expireCommand),
  },
  diff: {
    summary: 'shows what differs between two artifacts',
    load: () => Promise.resolve(diffCommand),
  },
  why: {
    summary: 'explains what an artifact grew by, what it takes, and how long it is kept',
    load: () => Promise.resolve(whyCommand),
  },
  secrets: {
    summary: 'tells which files of an artifact hold credentials',
    load: async () => (await import('./commands/secrets.ts')).secretsCommand,
  },
  audit: {
    summary: 'tells who deleted or changed what',
    load: async () => (await import('./commands/audit.ts')).auditCommand,
  },
  stats: {
    summary: 'shows what the store holds and what was saved',
    load: async () => (await import('./commands/stats.ts')).statsCommand,
  },
} satisfies Commands

/** Errors: UsageError, with the name that was probably meant. */
export function commandNamed(commands: Commands, name: string): Listed {
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (command !== undefined) return command
  const meant = suggestion(name, Object.keys(commands)) ?? '`trove help` lists them'
  throw new UsageError(`there is no command ${JSON.stringify(name)}; ${meant}`)
}
