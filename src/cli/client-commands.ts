/** The commands that need only a server, by name. Most share all but their last hundred lines
 *  and are bundled in one file with the entry point (bundle.mjs), so they are imported here; the
 *  others are loaded on demand. */
import { UsageError } from './arguments.ts'
import type { Commands, Listed } from './command.ts'
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

export const clientCommands = {
  token: {
    summary: 'mint a token, or list minted tokens',
    load: async () => (await import('./commands/token.ts')).tokenCommand,
  },
  revoke: {
    summary: 'revoke tokens',
    load: async () => (await import('./commands/revoke.ts')).revokeCommand,
  },
  login: {
    summary: 'store a token for a server, so that commands need no variables',
    load: async () => (await import('./commands/login.ts')).loginCommand,
  },
  logout: {
    summary: 'forget the stored token of a server',
    load: async () => (await import('./commands/logout.ts')).logoutCommand,
  },
  whoami: {
    summary: 'show which server and token are used, and what the token may do',
    load: async () => (await import('./commands/whoami.ts')).whoamiCommand,
  },
  list: {
    summary: 'list artifacts',
    load: () => Promise.resolve(listCommand),
  },
  ls: {
    summary: 'list the entries of an artifact',
    load: () => Promise.resolve(lsCommand),
  },
  cat: {
    summary: 'write one file of an artifact to stdout',
    load: () => Promise.resolve(catCommand),
  },
  upload: {
    summary: 'upload files and directories, sending only what the server lacks',
    load: () => Promise.resolve(uploadCommand),
  },
  download: {
    summary: 'make a directory match an artifact, or save an archive',
    load: () => Promise.resolve(downloadCommand),
  },
  verify: {
    summary: 'compare a directory with an artifact, or a file with its zip',
    load: () => Promise.resolve(verifyCommand),
  },
  attest: {
    summary: 'fetch a signed attestation of which run an artifact came from',
    load: async () => (await import('./commands/attest.ts')).attestCommand,
  },
  shasum: {
    summary: 'print digests of the files of an artifact, like sha256sum',
    load: () => Promise.resolve(shasumCommand),
  },
  url: {
    summary: 'print the URL of an artifact, or of a file in it',
    load: () => Promise.resolve(urlCommand),
  },
  find: {
    summary: 'find the artifacts that contain a file',
    load: () => Promise.resolve(findCommand),
  },
  search: {
    summary: 'search paths inside artifacts',
    load: () => Promise.resolve(searchCommand),
  },
  history: {
    summary: 'list the versions of a file, and the run in which each appeared',
    load: () => Promise.resolve(historyCommand),
  },
  rm: {
    summary: 'delete artifacts',
    load: () => Promise.resolve(rmCommand),
  },
  keep: {
    summary: 'keep an artifact forever',
    load: () => Promise.resolve(keepCommand),
  },
  expire: {
    summary: 'change when an artifact expires',
    load: () => Promise.resolve(expireCommand),
  },
  diff: {
    summary: 'show the differences between two artifacts',
    load: () => Promise.resolve(diffCommand),
  },
  why: {
    summary: 'explain how an artifact grew, what space it takes, and how long it is kept',
    load: () => Promise.resolve(whyCommand),
  },
  secrets: {
    summary: 'list files of an artifact that contain credentials',
    load: async () => (await import('./commands/secrets.ts')).secretsCommand,
  },
  audit: {
    summary: 'show who deleted or changed what',
    load: async () => (await import('./commands/audit.ts')).auditCommand,
  },
  stats: {
    summary: 'show what the store holds and how much was saved',
    load: async () => (await import('./commands/stats.ts')).statsCommand,
  },
  completion: {
    summary: 'print shell completion for bash, zsh or fish',
    load: async () => (await import('./commands/completion.ts')).completionCommand,
  },
} satisfies Commands

/** Errors: UsageError, which suggests the name that was probably meant. */
export function commandNamed(commands: Commands, name: string): Listed {
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (command !== undefined) return command
  const meant = suggestion(name, Object.keys(commands)) ?? 'see `trove help`'
  throw new UsageError(`unknown command ${JSON.stringify(name)}; ${meant}`)
}
