/** The commands by name. Those that speak to a server share all but their last hundred lines and are in one file with
 *  `main.ts` (bundle.mjs), so they are there; the others are loaded when they are asked for. */
import { UsageError } from './arguments.ts'
import type { Command } from './command.ts'
import { catCommand } from './commands/cat.ts'
import { diffCommand } from './commands/diff.ts'
import { downloadCommand } from './commands/download.ts'
import { expireCommand } from './commands/expire.ts'
import { findCommand } from './commands/find.ts'
import { keepCommand } from './commands/keep.ts'
import { listCommand } from './commands/list.ts'
import { lsCommand } from './commands/ls.ts'
import { rmCommand } from './commands/rm.ts'
import { uploadCommand } from './commands/upload.ts'
import { suggestion } from './suggestion.ts'

export interface Listed {
  summary: string
  load(): Promise<Command>
}

export const commands: Record<string, Listed> = {
  serve: {
    summary: 'starts the server',
    load: async () => {
      // Stacks in its log name places of the source. Reading the maps takes 20 ms, which a small command would feel.
      process.setSourceMapsEnabled(true)
      return (await import('./commands/serve.ts')).serveCommand
    },
  },
  token: {
    summary: 'mints a token',
    load: async () => (await import('./commands/token.ts')).tokenCommand,
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
  find: {
    summary: 'tells which artifacts hold a file',
    load: () => Promise.resolve(findCommand),
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
  run: {
    summary: 'runs a workflow on this machine',
    load: async () => (await import('./commands/run.ts')).runCommand,
  },
  gc: {
    summary: 'gives the bytes of what expired or was deleted back to the disk',
    load: async () => (await import('./commands/gc.ts')).gcCommand,
  },
  scrub: {
    summary: 'reads back everything that is stored, and names what is damaged',
    load: async () => (await import('./commands/scrub.ts')).scrubCommand,
  },
  backup: {
    summary: 'copies a store, running or not, to a new directory',
    load: async () => (await import('./commands/backup.ts')).backupCommand,
  },
  recover: {
    summary: 'rebuilds lost metadata from packs',
    load: async () => (await import('./commands/recover.ts')).recoverCommand,
  },
  stats: {
    summary: 'shows what the store holds and what was saved',
    load: async () => (await import('./commands/stats.ts')).statsCommand,
  },
}

/** Errors: UsageError, with the name that was probably meant. */
export function commandNamed(name: string): Listed {
  if (Object.hasOwn(commands, name)) return commands[name]!
  const meant = suggestion(name, Object.keys(commands)) ?? '`trove help` lists them'
  throw new UsageError(`there is no command ${JSON.stringify(name)}; ${meant}`)
}
