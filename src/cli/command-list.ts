/** The commands by name. Each is loaded only when it is asked for. */
import { UsageError } from './arguments.ts'
import type { Command } from './command.ts'
import { suggestion } from './suggestion.ts'

export interface Listed {
  summary: string
  load(): Promise<Command>
}

export const commands: Record<string, Listed> = {
  serve: {
    summary: 'starts the server',
    load: async () => (await import('./commands/serve.ts')).serveCommand,
  },
  token: {
    summary: 'mints a token',
    load: async () => (await import('./commands/token.ts')).tokenCommand,
  },
  list: {
    summary: 'lists artifacts',
    load: async () => (await import('./commands/list.ts')).listCommand,
  },
  ls: {
    summary: 'lists the entries of an artifact',
    load: async () => (await import('./commands/ls.ts')).lsCommand,
  },
  cat: {
    summary: 'writes one file of an artifact to stdout',
    load: async () => (await import('./commands/cat.ts')).catCommand,
  },
  upload: {
    summary: 'uploads files and directories; sends only what the server lacks',
    load: async () => (await import('./commands/upload.ts')).uploadCommand,
  },
  download: {
    summary: 'brings a directory to what an artifact holds',
    load: async () => (await import('./commands/download.ts')).downloadCommand,
  },
  rm: {
    summary: 'deletes artifacts',
    load: async () => (await import('./commands/rm.ts')).rmCommand,
  },
  keep: {
    summary: 'keeps an artifact for ever',
    load: async () => (await import('./commands/keep.ts')).keepCommand,
  },
  expire: {
    summary: 'changes when an artifact expires',
    load: async () => (await import('./commands/expire.ts')).expireCommand,
  },
  diff: {
    summary: 'shows what differs between two artifacts',
    load: async () => (await import('./commands/diff.ts')).diffCommand,
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
export function findCommand(name: string): Listed {
  if (Object.hasOwn(commands, name)) return commands[name]!
  const meant = suggestion(name, Object.keys(commands)) ?? '`trove help` lists them'
  throw new UsageError(`there is no command ${JSON.stringify(name)}; ${meant}`)
}
