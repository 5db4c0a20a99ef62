/** The commands that need only a server, by name. Most share all but their last hundred lines
 *  and are bundled in one file with the entry point (bundle.mjs), so they are imported here; the
 *  others are loaded on demand. */
import { UsageError } from './arguments.ts'
import type { Command, Commands, Listed } from './command.ts'
import { catCommand } from './commands/cat.ts'
import { diffCommand } from './commands/diff.ts'
import { downloadCommand } from './commands/download.ts'
import { duCommand } from './commands/du.ts'
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
  upload: loaded('upload files and directories, sending only what the server lacks', uploadCommand),
  download: loaded('make a directory match an artifact, or save an archive', downloadCommand),
  list: loaded('list artifacts', listCommand),
  ls: loaded('list the entries of an artifact', lsCommand),
  cat: loaded('write one file of an artifact to stdout', catCommand),
  du: loaded('show what in an artifact takes how much space', duCommand),
  diff: loaded('show the differences between two artifacts', diffCommand),
  why: loaded(
    'explain how an artifact grew, what space it takes, and how long it is kept',
    whyCommand,
  ),
  find: loaded('find the artifacts that contain a file', findCommand),
  search: loaded('search paths inside artifacts', searchCommand),
  history: loaded(
    'list the versions of a file, and the run in which each appeared',
    historyCommand,
  ),
  url: loaded('print the URL of an artifact, or of a file in it', urlCommand),
  verify: loaded('compare a directory with an artifact, or a file with its zip', verifyCommand),
  shasum: loaded('print digests of the files of an artifact, like sha256sum', shasumCommand),
  attest: {
    summary: 'fetch a signed attestation of which run an artifact came from',
    load: async () => (await import('./commands/attest.ts')).attestCommand,
  },
  rm: loaded('delete artifacts', rmCommand),
  keep: loaded('keep an artifact forever', keepCommand),
  expire: loaded('change when an artifact expires', expireCommand),
  secrets: {
    summary: 'list files of an artifact that contain credentials',
    load: async () => (await import('./commands/secrets.ts')).secretsCommand,
  },
  audit: {
    summary: 'show who deleted or changed what',
    load: async () => (await import('./commands/audit.ts')).auditCommand,
  },
  projects: {
    summary: 'list projects with their sizes',
    load: async () => (await import('./commands/projects.ts')).projectsCommand,
  },
  settings: {
    summary: 'show or change the settings of a project',
    load: async () => (await import('./commands/settings.ts')).settingsCommand,
  },
  stats: {
    summary: 'show what the store holds and how much was saved',
    load: async () => (await import('./commands/stats.ts')).statsCommand,
  },
  jobs: {
    summary: 'list the maintenance jobs of a server, or cancel one',
    load: async () => (await import('./commands/jobs.ts')).jobsCommand,
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
  token: {
    summary: 'mint a token, or list minted tokens',
    load: async () => (await import('./commands/token.ts')).tokenCommand,
  },
  revoke: {
    summary: 'revoke tokens',
    load: async () => (await import('./commands/revoke.ts')).revokeCommand,
  },
  completion: {
    summary: 'print shell completion for bash, zsh or fish',
    load: async () => (await import('./commands/completion.ts')).completionCommand,
  },
} satisfies Commands

/** Commands that only the full package has (command-list.ts). */
const fullPackageNames = [
  'run',
  'serve',
  'gc',
  'scrub',
  'backup',
  'snapshot',
  'move-packs',
  'recover',
] as const
export type CommandName = keyof typeof clientCommands | (typeof fullPackageNames)[number]

function loaded(summary: string, command: Command): Listed {
  return { summary, load: () => Promise.resolve(command) }
}

/** Errors: UsageError, which suggests the name that was probably meant, or says where the command
 *  is. */
export function commandNamed(commands: Commands, name: string): Listed {
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (command !== undefined) return command
  if (name.startsWith('-')) throw new UsageError(`flags such as ${name} go after the command`)
  if (fullPackageNames.some((each) => each === name))
    throw new UsageError(
      `this package has only the commands that talk to a server; ${name} is in the full package, the checkout that servers run from`,
    )
  const meant = suggestion(name, Object.keys(commands))
  const unknown = `unknown command ${JSON.stringify(name)}`
  throw new UsageError(meant === undefined ? unknown : `${unknown}; ${meant}`)
}
